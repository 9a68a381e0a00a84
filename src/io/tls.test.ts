// Mutual TLS on real sockets: after a peek, with and without a client certificate, and with the wrong ones.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { authority } from "../../test/support/authority.ts";
import { systemClock } from "../base/clock.ts";
import { parseClientHello } from "../wire/clienthello.ts";
import type { Conn, Reader } from "./conn.ts";
import { detect } from "./detect.ts";
import { dial } from "./dial.ts";
import { listen, type Listening } from "./listen.ts";
import { acceptTls, startTls, type Credentials } from "./tls.ts";

const options = { clock: systemClock, timeoutMs: 5000 };
const local = { ip: "127.0.0.1", port: 0 };

class Collect implements Reader {
  text = "";
  readonly over: Promise<string>;
  #done!: (text: string) => void;
  constructor(conn: Conn) {
    this.over = new Promise((resolve) => (this.#done = resolve));
    conn.start(this);
  }
  read(chunk: Buffer): void {
    this.text += chunk.toString();
  }
  end(): void {
    this.#done(this.text);
  }
  closed(): void {
    this.#done(this.text);
  }
  drained(): void {}
}

/** A server that peeks, terminates TLS, answers with the client's identity and ends. */
async function server(
  credentials: Credentials,
  alpn?: string[],
): Promise<Listening & { failed: string[] }> {
  const failed: string[] = [];
  const listening = await listen(local, {}, (conn) => {
    void detect(conn, 1000, systemClock).then(async ({ protocol, first }) => {
      assert.equal(protocol, "tls");
      const hello = parseClientHello(first);
      try {
        const tls = await acceptTls(
          conn,
          credentials,
          alpn ? { ...options, alpn } : options,
          first,
        );
        assert.equal(hello.kind === "hello" && hello.sni, credentials.name);
        assert.equal(tls.peer.tls.kind, "true");
        if (tls.peer.tls.kind !== "true") return;
        tls.write(`hello ${tls.peer.tls.identity || "nobody"} ${tls.peer.tls.alpn ?? "-"}`);
        tls.end();
      } catch (error) {
        failed.push((error as Error).message);
      }
    });
  });
  return { ...listening, failed };
}

test("both sides prove who they are, on a connection whose first bytes were read before", async () => {
  const ca = await authority();
  const a = await ca.certify("web.ns.serviceaccount.identity.linkerd.cluster.local");
  const b = await ca.certify("emoji.ns.serviceaccount.identity.linkerd.cluster.local");
  const listening = await server(b, ["transport.l5d.io/v1"]);
  const expected = { id: b.name, serverName: b.name };
  const conn = await startTls(await dial(listening.addr, options), a, expected, {
    ...options,
    alpn: ["transport.l5d.io/v1"],
  });
  assert.equal(await new Collect(conn).over, `hello ${a.name} transport.l5d.io/v1`);
  conn.destroy();
  listening.close();
});

test("a client without a certificate is served as nobody", async () => {
  const ca = await authority();
  const b = await ca.certify("emoji.example");
  const listening = await server(b);
  const { ip, port } = listening.addr;
  const socket = tlsConnect({ host: ip, port, servername: b.name, ca: b.rootsPem });
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "hello nobody -");
  assert.equal(socket.getProtocol() ?? "TLSv1.3", "TLSv1.3");
  listening.close();
});

test("a leaf that stands alone comes with its issuer, as OpenSSL has it", async () => {
  const ca = await authority();
  const b = await ca.certify("emoji.example");
  const listening = await server(b);
  const { ip, port } = listening.addr;
  const socket = tlsConnect({ host: ip, port, servername: b.name, ca: b.rootsPem });
  await once(socket, "secureConnect");
  assert.equal(socket.getCipher().standardName, "TLS_AES_128_GCM_SHA256");
  const chain = socket.getPeerX509Certificate()!;
  assert.equal(chain.issuerCertificate?.toString(), new X509Certificate(b.rootsPem).toString());
  socket.destroy();
  listening.close();
});

test("a client with a certificate of another authority is refused", async () => {
  const [ours, theirs] = [await authority(), await authority()];
  const b = await ours.certify("emoji.example");
  const mallory = { ...(await theirs.certify("web.example")), rootsPem: ours.rootsPem };
  const listening = await server(b);
  const expected = { id: b.name, serverName: b.name };
  const conn = await startTls(await dial(listening.addr, options), mallory, expected, options);
  assert.equal(await new Collect(conn).over, "");
  assert.match(listening.failed[0] ?? "", /certificate is refused/);
  conn.destroy();
  listening.close();
});

test("a server of another authority, or with another name, is refused", async () => {
  const [ours, theirs] = [await authority(), await authority()];
  const a = await ours.certify("web.example");
  const b = await ours.certify("emoji.example");
  const listening = await server(b);
  const dialled = () => dial(listening.addr, options);
  await assert.rejects(
    startTls(await dialled(), a, { id: "voting.example", serverName: b.name }, options),
    /emoji\.example, not voting\.example/,
  );
  const stranger = { ...a, rootsPem: theirs.rootsPem };
  await assert.rejects(
    startTls(await dialled(), stranger, { id: b.name, serverName: b.name }, options),
    { code: "connect-failed" },
  );
  listening.close();
});

test("dialling says what went wrong and where", async () => {
  const listening = await listen(local, {}, () => {});
  const { addr } = listening;
  await assert.rejects(
    listen(addr, { hint: "Stop it first." }, () => {}),
    {
      code: "in-use",
      message: `127.0.0.1:${addr.port} is in use by another program. Stop it first.`,
    },
  );
  listening.close();
  await assert.rejects(dial(addr, options), {
    code: "connect-failed",
    message: `connecting to 127.0.0.1:${addr.port} failed: connection refused`,
  });
});
