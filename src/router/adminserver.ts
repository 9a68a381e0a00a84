// The admin server of Linkerd 1: where it listens, what of it is switched on, and the pages, which are a table of
// their own.

import { Fault } from "../base/fault.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { CertServer } from "../io/certtls.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { listen, type Listening } from "../io/listen.ts";
import type { HttpService } from "../stack/types.ts";
import type { Category } from "./adminpages.ts";
import { reply, text } from "./adminreply.ts";
import { identifyOnly } from "./identifierport.ts";
import type { Linkerd } from "./linkerd.ts";
import type { Linker } from "./routerparts.ts";
import { acceptTls, watchServerTls } from "./tlsfiles.ts";
import { listenOptions, serveAccepted } from "./sockets.ts";
import type { RouterConfig } from "./yamlrouter.ts";

type Settings = RouterConfig["admin"];

const SWITCHES: Readonly<Record<Category, keyof Settings["security"]>> = {
  ui: "uiEnabled",
  control: "controlEnabled",
  diagnostics: "diagnosticsEnabled",
};

export class AdminServer {
  readonly settings: Settings;
  /** Tells whether another configuration is the same for it. */
  readonly key: string;
  readonly #listenings: Listening[] = [];
  readonly #tls: Watch<CertServer> | undefined;
  readonly #unwatch: Close;

  private constructor(settings: Settings, key: string, { clock }: Linker) {
    this.settings = settings;
    this.key = key;
    this.#tls = settings.tls && watchServerTls(settings.tls, clock);
    // Looked at all the time, so that the files are read once and then watched.
    this.#unwatch = this.#tls?.observe(() => {}) ?? (() => {});
  }

  /** Listens where the settings say. Rejects when that cannot be. */
  static async open(linkerd: Linkerd, settings: Settings, key: string): Promise<AdminServer> {
    const server = new AdminServer(settings, key, linkerd.linker);
    const { port, httpIdentifierPort, security } = settings;
    try {
      await server.#tls?.next();
      await server.#listen(port, linkerd, pages(linkerd, security));
      if (httpIdentifierPort !== undefined) {
        await server.#listen(httpIdentifierPort, linkerd, identifyOnly(linkerd));
      }
    } catch (error) {
      server.close();
      throw error;
    }
    return server;
  }

  get addr(): SocketAddr {
    return this.#listenings[0]!.addr;
  }

  /** Stops accepting; open connections stay. */
  close(): void {
    this.#unwatch();
    for (const listening of this.#listenings) listening.close();
  }

  async #listen(port: number, { linker }: Linkerd, service: HttpService): Promise<void> {
    const { clock, serving } = linker;
    const { ip, socketOptions } = this.settings;
    const serve = async (conn: Conn): Promise<void> => {
      const plain = this.#tls ? await acceptTls(conn, this.#tls, clock) : conn;
      await serving.serve(serveH1(plain, service, { clock }));
    };
    const listening = await listen({ ip, port }, listenOptions(socketOptions), (conn) =>
      serveAccepted(conn, socketOptions, linker, serve),
    );
    this.#listenings.push(listening);
  }
}

function pages(linkerd: Linkerd, security: Settings["security"]): HttpService {
  const [allowed, forbidden] = [security.pathWhitelist, security.pathBlacklist].map((patterns) =>
    patterns.map((pattern) => new RegExp(`^(?:${pattern})$`)),
  );
  return async function pages(req) {
    const end = req.path.indexOf("?");
    const path = end < 0 ? req.path : req.path.slice(0, end);
    const query = new URLSearchParams(end < 0 ? "" : req.path.slice(end + 1));
    // Loaded when somebody looks, with all that pages show.
    const { findPage } = await import("./adminpages.ts");
    const page = findPage(path, linkerd);
    const isOn =
      page !== undefined &&
      !forbidden!.some((pattern) => pattern.test(path)) &&
      (security[SWITCHES[page.category]] || allowed!.some((pattern) => pattern.test(path)));
    if (!isOn) return text(404, "Not found\n");
    if (!page.methods.includes(req.method)) {
      return reply(405, "text/plain", "", ["allow", page.methods.join(", ")]);
    }
    try {
      return await page.serve({ req, path, query, linkerd });
    } catch (thrown) {
      const fault = Fault.from(thrown);
      return text(fault.code === "bad-input" ? 400 : 500, `${fault.message}\n`);
    }
  };
}
