// The plain objects that protobuf messages are made of: what `create` takes, without the messages themselves.

import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";

export type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, { $typeName: string }>;
