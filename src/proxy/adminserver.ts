// The admin server of Linkerd 1: where it listens, what of it is switched on, and the pages, which are a table of
// their own.

import { Fault } from "../base/fault.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { listen, type Listening } from "../io/listen.ts";
import type { HttpService } from "../stack/types.ts";
import type { Category } from "./adminpages.ts";
import { reply, text } from "./adminreply.ts";
import { identifyOnly } from "./identifierport.ts";
import type { Linkerd } from "./linkerd.ts";
import { loadCerts, watchServerTls } from "./tlsfiles.ts";
import { tuneSocket } from "./sockets.ts";
import type { RouterConfig } from "./yamlrouter.ts";

type Settings = RouterConfig["admin"];

const HANDSHAKE_MS = 10_000;
const SWITCHES: Readonly<Record<Category, keyof Settings["security"]>> = {
  ui: "uiEnabled",
  control: "controlEnabled",
  diagnostics: "diagnosticsEnabled",
};

export class AdminServer {
  readonly settings: Settings;
  /** Tells whether another configuration is the same for it. */
  readonly key: string;
  readonly #listenings: readonly Listening[];

  private constructor(settings: Settings, key: string, listenings: readonly Listening[]) {
    this.settings = settings;
    this.key = key;
    this.#listenings = listenings;
  }

  /** Listens where the settings say. Rejects when that cannot be. */
  static async open(linkerd: Linkerd, settings: Settings, key: string): Promise<AdminServer> {
    const { ip, port, tls, httpIdentifierPort, socketOptions } = settings;
    const { clock, serving } = linkerd.linker;
    const secure = tls && watchServerTls(tls, clock);
    await secure?.next();
    const { backlog, reusePort } = socketOptions;
    const listenOptions = { ...(backlog === undefined ? {} : { backlog }), reusePort };
    const bind = (on: number, service: HttpService): Promise<Listening> =>
      listen({ ip, port: on }, listenOptions, (conn) => {
        tuneSocket(conn, socketOptions, clock);
        const serve = async (): Promise<void> => {
          let plain: Conn = conn;
          if (secure) {
            const [{ acceptCerts }, context] = await Promise.all([loadCerts(), secure.next()]);
            plain = await acceptCerts(conn, context, { clock, timeoutMs: HANDSHAKE_MS });
          }
          await serving.serve(serveH1(plain, service, { clock }));
        };
        void serving.track(conn, serve());
      });
    const listenings = [await bind(port, pages(linkerd, settings.security))];
    if (httpIdentifierPort !== undefined) {
      listenings.push(await bind(httpIdentifierPort, identifyOnly(linkerd)));
    }
    return new AdminServer(settings, key, listenings);
  }

  get addr(): SocketAddr {
    return this.#listenings[0]!.addr;
  }

  /** Stops accepting; open connections stay. */
  close(): void {
    for (const listening of this.#listenings) listening.close();
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
