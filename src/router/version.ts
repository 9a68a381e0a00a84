// The version that pages and metrics of this process tell.

export const VERSION = "0.1.0";
