// Bulk at full size: 5 GB each way and 10,000 connections at once, for which `ulimit -n` has to allow 20,000.
// Needs: linux.

import { testBulk } from "../mesh/bulk.ts";

testBulk({ bytes: 5e9, connections: 10_000, port: 28_785 });
