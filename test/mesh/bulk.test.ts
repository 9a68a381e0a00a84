// Bulk, in sizes that take seconds; test/chaos has the full ones.
// Needs: linux.

import { testBulk } from "./bulk.ts";

testBulk({ bytes: 200e6, connections: 1000, port: 28_780 });
