// The static table of HPACK (RFC 7541 appendix A), written as `name=value|value`, in order of index.

const LINES = `
:authority :method=GET|POST :path=/|/index.html :scheme=http|https :status=200|204|206|304|400|404|500
accept-charset accept-encoding=gzip,~deflate accept-language accept-ranges accept access-control-allow-origin
age allow authorization cache-control content-disposition content-encoding content-language content-length
content-location content-range content-type cookie date etag expect expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards
proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate`;

/** Names of the static entries; place 0 is unused, as indices start at 1. */
export const STATIC_NAMES: string[] = [""];
/** Values of the static entries, in the same places. */
export const STATIC_VALUES: string[] = [""];

for (const line of LINES.trim().split(/\s+/)) {
  const [name, values = ""] = line.split("=");
  for (const value of values.split("|")) {
    STATIC_NAMES.push(name!);
    STATIC_VALUES.push(value.replace("~", " "));
  }
}

/** How many entries the static table has; dynamic entries come after them. */
export const STATIC_SIZE = 61;

/** The lowest static index of each name. */
export const STATIC_INDEX: ReadonlyMap<string, number> = new Map(
  STATIC_NAMES.map((name, i): [string, number] => [name, i])
    .slice(1)
    .reverse(),
);
