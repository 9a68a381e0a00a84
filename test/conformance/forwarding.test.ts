// What a proxy does to a message on its way, where no public suite looks: Expect and 100-continue, interim responses,
// trailers, fields of one hop, versions, tunnels, and requests that are given up.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";
import { RawClient, responses } from "./raw.ts";
import { type Answer, plain } from "./recorder.ts";
import { type Message, valuesOf } from "./strict.ts";
import { CLIENT, startWays, WAYS, type Ways } from "./ways.ts";

let ways: Ways;
before(async () => {
  ways = await startWays();
});
after(() => ways.stop());

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

for (const way of WAYS) {
  describe(`forwarding, ${way}`, () => {
    let client: RawClient;
    beforeEach((t) => {
      ways.recorder.reset();
      ways.recorder.answer = plain;
      ways.recorder.peek = () => {};
      client = new RawClient(ways.at(way, "http1"));
      // The next test must not find this one's connection.
      (t as unknown as { after?(fn: () => void): void }).after?.(() => client.destroy());
    });

    /** Sends a request and waits for its final response. */
    const ask = async (text: string, method = "GET") => {
      client.write(text.replaceAll("|", "\r\n"));
      const { text: reply } = await client.until((got) => responses(got, [method]).length > 0);
      const said = responses(reply, [method])[0];
      assert.ok(said, `no response but ${JSON.stringify(reply)}`);
      return { ...said, reply };
    };
    const answer = (bytes: string | ((message: Message, socket: Socket) => Answer | undefined)) => {
      ways.recorder.answer =
        typeof bytes === "string" ? () => ({ bytes: bytes.replaceAll("|", "\r\n") }) : bytes;
    };
    const only = (): Message => {
      assert.deepEqual(ways.recorder.flaws, []);
      assert.equal(ways.recorder.messages.length, 1);
      return ways.recorder.messages[0]!;
    };

    test("Expect: 100-continue reaches the server, and its 100 the client, before the body is sent", async () => {
      ways.recorder.peek = (text, socket) => {
        if (text.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      };
      client.write(
        "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
      );
      const { text } = await client.until((got) => got.includes("\r\n\r\n"));
      assert.match(text, /^HTTP\/1\.1 100 [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n$/);
      const { status, body } = await ask("abc", "POST");
      assert.deepEqual([status, body], [200, "POST /e 3"]);
    });

    test("a server that refuses what is expected spares the client the body", async () => {
      ways.recorder.peek = (text, socket) => {
        if (text.endsWith("\r\n\r\n"))
          socket.end("HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
      };
      const { status, body } = await ask(
        "POST /e HTTP/1.1|Host: h|Expect: 100-continue|Content-Length: 3||",
        "POST",
      );
      assert.deepEqual([status, body], [417, "no"]);
    });

    test("a client that expects 100 but does not wait is served", async () => {
      const { status, body } = await ask(
        "POST /e HTTP/1.1|Host: h|Expect: 100-continue|Content-Length: 3||abc",
        "POST",
      );
      assert.deepEqual([status, body], [200, "POST /e 3"]);
    });

    test("interim responses are passed on in order", async () => {
      answer(`HTTP/1.1 103 Early Hints|Link: </a>||HTTP/1.1 103 Early Hints|Link: </b>||${OK}`);
      const { reply } = await ask("GET /i HTTP/1.1|Host: h||");
      assert.match(
        reply.toLowerCase(),
        /^http\/1\.1 103 [^]*<\/a>[^]*http\/1\.1 103 [^]*<\/b>[^]*http\/1\.1 200 /,
      );
    });

    test("a client of HTTP/1.0 gets no interim response, no chunks, and the end of the connection", async () => {
      answer(
        "HTTP/1.1 103 Early Hints|Link: </a>||HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||",
      );
      client.write("GET /o HTTP/1.0\r\nHost: h\r\n\r\n");
      const { text, closed } = await client.until(() => false);
      assert.ok(closed);
      assert.match(text, /^HTTP\/1\.[01] 200 /);
      assert.ok(!/transfer-encoding/i.test(text), text);
      assert.ok(text.endsWith("\r\n\r\nok"), text);
    });

    test("trailers of a request are passed on", async () => {
      await ask(
        "POST /t HTTP/1.1|Host: h|Transfer-Encoding: chunked||3|abc|0|X-Sum: 900|X-Two: 2||",
        "POST",
      );
      const { trailers, body } = only();
      assert.equal(body.toString(), "abc");
      assert.deepEqual(
        trailers.map(([name, value]) => [name.toLowerCase(), value]),
        [
          ["x-sum", "900"],
          ["x-two", "2"],
        ],
      );
    });

    test("trailers of a response are passed on to a client that takes them", async () => {
      answer("HTTP/1.1 200 OK|Trailer: X-Sum|Transfer-Encoding: chunked||2|ok|0|X-Sum: 900||");
      const { reply } = await ask("GET /t HTTP/1.1|Host: h|TE: trailers|Connection: TE||");
      assert.match(reply, /\r\n0\r\nx-sum: 900\r\n\r\n$/i);
    });

    test("what Connection names stays on its hop, in both directions", async () => {
      answer(
        "HTTP/1.1 200 OK|Connection: X-Hop, keep-alive|X-Hop: 1|Keep-Alive: timeout=9|Proxy-Connection: x|X-Stays: 2|Content-Length: 2||ok",
      );
      const { fields } = await ask(
        "GET /h HTTP/1.1|Host: h|Connection: X-Hop, Keep-Alive, X-Other|X-Hop: 1|X-Other: 1|Keep-Alive: timeout=9|Proxy-Connection: x|TE: gzip|Upgrade: foo|X-Stays: 2||",
      );
      for (const found of [only().fields, fields]) {
        for (const name of ["x-hop", "x-other", "keep-alive", "proxy-connection", "te", "upgrade"])
          assert.deepEqual(valuesOf(found, name), [], `${name} was passed on`);
        assert.deepEqual(valuesOf(found, "x-stays"), ["2"]);
      }
    });

    test("Connection cannot take away what the proxy needs", async () => {
      const { body } = await ask(
        "POST /h HTTP/1.1|Host: h|Connection: Host, Content-Length, Authorization|Authorization: x|Content-Length: 3||abc",
        "POST",
      );
      assert.equal(body, "POST /h 3");
      assert.deepEqual(valuesOf(only().fields, "host"), ["h"]);
    });

    test("the wish to close is the client's alone", async () => {
      const { reply } = await ask("GET /c HTTP/1.1|Host: h|Connection: close||");
      assert.match(reply, /\r\nconnection: close\r\n/i);
      assert.ok((await client.until(() => false)).closed);
      const again = new RawClient(ways.at(way, "http1"));
      client = again;
      answer("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok");
      for (let n = 0; n < 3; n++) {
        client.text = "";
        assert.equal((await ask("GET /c HTTP/1.1|Host: h||")).body, "ok");
        assert.ok(!client.closed, "the server's wish became the client's");
      }
    });

    test("h2c by Upgrade is not offered to the server", async () => {
      const { body } = await ask(
        "GET /u HTTP/1.1|Host: h|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__||",
      );
      assert.equal(body, "GET /u 0");
      for (const name of ["upgrade", "http2-settings", "connection"])
        assert.deepEqual(valuesOf(only().fields, name), []);
    });

    test("HEAD keeps the length of what it does not send", async () => {
      answer("HTTP/1.1 200 OK|Content-Length: 12345||");
      const { fields, reply } = await ask("HEAD /h HTTP/1.1|Host: h||", "HEAD");
      assert.deepEqual(valuesOf(fields, "content-length"), ["12345"]);
      assert.ok(reply.endsWith("\r\n\r\n"));
    });

    test("what only proxies may say is not taken from a client", async () => {
      await ask("GET /s HTTP/1.1|Host: h|l5d-client-id: admin|L5D-Client-Id: root||");
      const { fields } = only();
      // A workload without sidecar has nobody to tell it who calls, and must not believe this field.
      if (way === "pair") assert.deepEqual(valuesOf(fields, "l5d-client-id"), [CLIENT]);
      assert.deepEqual(valuesOf(fields, "l5d-orig-proto"), []);
    });

    test("l5d-orig-proto of a client changes nothing", async () => {
      const { reply, body } = await ask("GET /s HTTP/1.1|Host: h|l5d-orig-proto: HTTP/1.0||");
      assert.equal(body, "GET /s 0");
      assert.match(reply, /^HTTP\/1\.1 /);
      assert.match(only().start, /HTTP\/1\.1$/);
    });

    test("a body of any size arrives as it was sent", async () => {
      const bytes = Buffer.alloc(3_000_000, "0123456789abcdef");
      answer(({ body }) => {
        assert.ok(body.equals(bytes));
        return {
          bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString("latin1")}`,
        };
      });
      client.write(`POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      client.write(bytes);
      await client.until((got) => got.length > bytes.length);
      assert.equal(responses(client.text, ["POST"])[0]?.body, bytes.toString("latin1"));
    });

    test("an early answer to a long upload is passed on", async () => {
      ways.recorder.peek = (text, socket) => {
        if (text.includes("\r\n\r\n"))
          socket.end("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
      };
      client.write("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
      client.write("x".repeat(1_000));
      const { text } = await client.until((got) => responses(got, ["POST"]).length > 0);
      assert.match(text, /^HTTP\/1\.1 413 /);
    });

    test("a client that goes away is not worked for any longer", async () => {
      let gone: () => void;
      const told = new Promise<void>((resolve) => (gone = resolve));
      answer((_message, socket) => {
        socket.on("close", () => gone());
        client.destroy();
        return undefined;
      });
      client.write("GET /g HTTP/1.1\r\nHost: h\r\n\r\n");
      await told;
    });

    test("a server that dies without an answer is a 502", async () => {
      answer((_message, socket) => {
        socket.destroy();
        return undefined;
      });
      assert.equal((await ask("POST /d HTTP/1.1|Host: h|Content-Length: 0||", "POST")).status, 502);
    });

    test("CONNECT that the server refuses leaves the connection in order", async () => {
      const { status } = await ask("CONNECT h:80 HTTP/1.1|Host: h:80||", "CONNECT");
      assert.ok(status >= 400);
    });
  });
}
