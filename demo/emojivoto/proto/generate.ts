// Prints voting.proto from the table of emoji: `node demo/emojivoto/proto/generate.ts` writes it beside this file.
// One method for each emoji is no way to design an API, but it gives a mesh a hundred routes to show.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { table } from "../table.ts";

/** The text of voting.proto. */
export function printVotingProto(): string {
  const votes = table.map((row) => `  rpc ${row.method}(VoteRequest) returns (VoteResponse);`);
  return `// Counts votes. Written by generate.ts from the table of emoji; do not edit.
syntax = "proto3";

package emojivoto.v1;

message VotingResult {
  string shortcode = 1;
  int32 votes = 2;
}

message VoteRequest {}

message VoteResponse {}

message ResultsRequest {}

// Only emoji with votes, the most loved one first.
message ResultsResponse {
  repeated VotingResult results = 1;
}

service VotingService {
${votes.join("\n")}
  rpc Results(ResultsRequest) returns (ResultsResponse);
}
`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "voting.proto"), printVotingProto());
