// gRPC's own interoperability cases, grpc-go's client and server, through one proxy and through a meshed pair. The two
// programs are built once from the Go module, and kept in the user's cache folder.
// Needs: go.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { RawClient } from "./raw.ts";
import { startWays, WAYS, type Ways } from "./ways.ts";

const VERSION = "v1.85.0";
const CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
];

/** The server as the module has it listens on all addresses; ours on those that it is told. */
const SERVER = `package main

import (
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	failed := make(chan error)
	for _, address := range os.Args[1:] {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			panic(err)
		}
		go func() { failed <- server.Serve(listener) }()
	}
	panic(<-failed)
}
`;

const run = promisify(execFile);
const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
const folder = join(cache, "linkerd", `grpc-interop-${VERSION}`);

let ways: Ways;
let server: ChildProcess;
before(async () => {
  await build();
  ways = await startWays();
  for (const each of ways.h2) each.close();
  const ends = WAYS.map((way) => ways.end(way, "http2"));
  const addresses = ends.map(({ host, port }) => `${host}:${port}`);
  server = spawn(join(folder, "server"), addresses, { stdio: "ignore" });
  process.once("exit", () => server.kill("SIGKILL"));
  for (const end of ends) await accepting(end);
});
after(async () => {
  server.kill("SIGKILL");
  await ways.stop();
});

for (const way of WAYS) {
  describe(`gRPC, ${way}`, () => {
    for (const name of CASES)
      test(name, async () => {
        const { host, port } = ways.at(way, "http2");
        const args = [`--server_host=${host}`, `--server_port=${port}`, `--test_case=${name}`];
        await run(join(folder, "client"), args, { timeout: 60_000 });
      });
  });
}

async function build(): Promise<void> {
  if (existsSync(folder)) return;
  const making = `${folder}.${process.pid}`;
  mkdirSync(join(making, "serve"), { recursive: true });
  try {
    await buildIn(making);
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true });
    // Unless another run was faster.
    if (!existsSync(folder)) throw error;
  }
}

async function buildIn(making: string): Promise<void> {
  writeFileSync(join(making, "go.mod"), "module interop\n");
  writeFileSync(join(making, "serve", "main.go"), SERVER);
  writeFileSync(
    join(making, "client.go"),
    '//go:build tools\n\npackage tools\n\nimport _ "google.golang.org/grpc/interop/client"\n',
  );
  const go = (...args: string[]) => run("go", args, { cwd: making, timeout: 170_000 });
  await go("get", `google.golang.org/grpc@${VERSION}`);
  await go("mod", "tidy");
  await go("build", "-o", "client", "google.golang.org/grpc/interop/client");
  await go("build", "-o", "server", "./serve");
}

async function accepting(end: { host: string; port: number }): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const client = new RawClient(end);
    const isUp = await new Promise<boolean>((resolve) => {
      client.socket.once("connect", () => resolve(true));
      client.socket.once("error", () => resolve(false));
    });
    client.destroy();
    if (isUp) return;
    await new Promise((later) => setTimeout(later, 25));
  }
  assert.fail(`the gRPC server does not listen at ${end.host}:${end.port}`);
}
