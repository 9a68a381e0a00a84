// The load of the other tests. In a pod, where programs lie in one folder, that file itself stands here.

export { load } from "../../mesh/load.ts";
