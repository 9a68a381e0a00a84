// What the four workloads share as processes: their settings from the environment, the address they listen on, one
// clear line when they cannot start, and a stop that finishes what is under way.

const graceMs = 10_000;

/** Ends the process with one line that says what is wrong and what to do. */
function fail(workload: string, problem: string): never {
  console.error(`${workload}: ${problem}`);
  process.exit(1);
}

/** Reads the variables named in `examples`; ends the process when some are missing, naming all of them. */
export function settings<Name extends string>(
  workload: string,
  examples: Record<Name, string>,
): Record<Name, string> {
  const names = Object.keys(examples) as Name[];
  const missing = names
    .filter((name) => !process.env[name])
    .map((name) => `${name} (such as ${examples[name]})`);
  if (missing.length > 0)
    fail(workload, `the environment lacks ${missing.join(" and ")}; set it and start again.`);
  return Object.fromEntries(names.map((name) => [name, process.env[name]!])) as Record<
    Name,
    string
  >;
}

/** An optional number from the environment that is not negative; ends the process when it is anything else. */
export function numberSetting(workload: string, name: string, otherwise: number): number {
  const value = Number(process.env[name] || otherwise);
  if (!(value >= 0))
    fail(
      workload,
      `${name} is "${process.env[name]}", but has to be a number such as ${otherwise}.`,
    );
  return value;
}

/**
 * Binds to the port at HOST, or at all addresses when there is no HOST, and prints where; 0 takes a free port.
 * `bind` resolves to the port taken. Ends the process when that fails.
 */
export async function listen(
  workload: string,
  variable: string,
  bind: (host: string, port: number) => Promise<number>,
) {
  const port = Number(process.env[variable]);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    fail(
      workload,
      `${variable} is "${process.env[variable]}", but has to be a port from 1 to 65535.`,
    );
  const host = process.env["HOST"] || "::";
  const bound = await bind(host, port)
    .catch((cause: Error) => {
      // A kernel without IPv6 has no `::`.
      if (host === "::" && /EAFNOSUPPORT|EADDRNOTAVAIL/.test(cause.message))
        return bind("0.0.0.0", port);
      throw cause;
    })
    .catch((cause: Error) => {
      const taken = cause.message.includes("EADDRINUSE");
      const why = taken
        ? `another process has that port; set ${variable} to a free one.`
        : cause.message;
      fail(workload, `cannot listen on ${authority(host, port)}: ${why}`);
    });
  console.log(`${workload}: listening on ${authority(host, bound)}`);
}

/** Joins host and port as URLs and gRPC targets want them, with brackets around IPv6. */
export function authority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** On SIGTERM or SIGINT runs `drain` and exits with 0 once it is done, or with 1 when it takes over ten seconds. */
export function onStop(workload: string, drain: () => Promise<void>) {
  const stop = () => {
    setTimeout(
      () => fail(workload, "gave up on requests that were still running after 10 s."),
      graceMs,
    ).unref();
    drain().then(
      () => process.exit(0),
      (cause: Error) => fail(workload, cause.message),
    );
  };
  process.once("SIGTERM", stop).once("SIGINT", stop);
}
