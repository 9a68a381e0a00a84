// The table of all commands. A verb lives in its own file; here is only where it stands.

import { allowScrapes } from "./allowscrapes.ts";
import { authorizations } from "./authorizations.ts";
import { authz } from "./authz.ts";
import { check, mcCheck, vizCheck } from "./checkverb.ts";
import type { Command } from "./command.ts";
import { command } from "./command.ts";
import { completion } from "./completion.ts";
import { dashboard } from "./dashboard.ts";
import { demo } from "./demo.ts";
import { diagnostics } from "./diagnostics.ts";
import { edges } from "./edges.ts";
import { identity } from "./identity.ts";
import { inject, uninject } from "./inject.ts";
import { install } from "./install.ts";
import { installCni } from "./installcni.ts";
import { vizList } from "./list.ts";
import { local } from "./local.ts";
import { mcGateways } from "./mcgateways.ts";
import { mcAllow, mcInstall, mcUninstall } from "./mcinstall.ts";
import { mcLinkGen, mcUnlink } from "./mclinks.ts";
import { profile } from "./profile.ts";
import { explain, router } from "./router.ts";
import { routes } from "./routes.ts";
import { statInbound, statOutbound } from "./routestats.ts";
import { stat } from "./stat.ts";
import { tap } from "./tap.ts";
import { top } from "./top.ts";
import { prune, uninstall } from "./uninstall.ts";
import { upgrade } from "./upgrade.ts";
import { version } from "./version.ts";
import { vizInstall, vizPrune, vizUninstall } from "./vizinstall.ts";
import { vizProfile } from "./vizprofile.ts";

const viz = command({
  name: "viz",
  summary: "Metrics, live calls and the dashboard",
  commands: [
    vizCheck,
    vizInstall,
    vizUninstall,
    vizPrune,
    stat,
    top,
    tap,
    routes,
    edges,
    authz,
    statInbound,
    statOutbound,
    allowScrapes,
    dashboard,
    vizList,
    vizProfile,
  ],
});

const multicluster = command({
  name: "multicluster",
  aliases: ["mc"],
  summary: "Services of other clusters, as if they were here",
  commands: [mcCheck, mcGateways, mcInstall, mcUninstall, mcLinkGen, mcUnlink, mcAllow],
});

/** Old habits: verbs that moved below `viz`. */
const moved = [stat, top, tap, routes, edges, dashboard].map((row): Command => ({
  ...row,
  deprecated: `linkerd viz ${row.name}`,
}));

export const root = command({
  name: "linkerd",
  summary:
    "A service mesh: encrypts, balances, retries and measures what your services say to each other",
  commands: [
    authorizations,
    check,
    completion,
    demo,
    diagnostics,
    explain,
    identity,
    inject,
    install,
    installCni,
    local,
    multicluster,
    profile,
    prune,
    router,
    uninject,
    uninstall,
    upgrade,
    version,
    viz,
    ...moved,
  ],
});
