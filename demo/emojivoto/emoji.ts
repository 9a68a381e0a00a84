// The workload `emoji`: knows which emoji there are.

import { serve } from "./grpc.ts";
import type { EmojiService } from "./grpc.ts";
import { table } from "./table.ts";

const byShortcode = new Map(table.map((row) => [row.shortcode, row]));

await serve<EmojiService>("emoji", "EmojiService", {
  ListAll: () => ({ list: table }),
  FindByShortcode: ({ shortcode }) => ({ emoji: byShortcode.get(shortcode) ?? null }),
});
