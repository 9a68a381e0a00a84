// Where the data is, for those who want it without this dashboard.

const PLACES: readonly (readonly [address: string, what: string])[] = [
  ["/admin/metrics.json?pretty=true", "all metrics; tree=1 nests them, q=rt/http selects"],
  ["/config.json", "the file as it was read"],
  ["/routers.json", "routers, clients, endpoints and why they are not used"],
  ["/client_state.json", "the addresses of each client"],
  ["/watches.json", "what is watched of DNS and namers, and how old what is known is"],
  ["/bound-names.json", "names that namers can list"],
  ["/explain.json?url=http://web/", "what each router would do with a request"],
  ["/delegator.json?namespace=http&path=/svc/web&dtab=", "every branch of a name"],
  ["/requests.json", "the latest requests"],
  ["/admin/lint.json", "what is odd about the file"],
  ["/admin/server_info", "version, uptime, memory, and how the last change of the file went"],
];

export function Help() {
  return (
    <section>
      <h2>Data</h2>
      <dl class="places">
        {PLACES.map(([address, what]) => (
          <div key={address}>
            <dt>
              <a href={address}>
                <code>{address}</code>
              </a>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <h2>Commands</h2>
      <dl class="places">
        <div>
          <dt>
            <code>linkerd check linkerd.yaml</code>
          </dt>
          <dd>all mistakes of a file, with their places</dd>
        </div>
        <div>
          <dt>
            <code>linkerd explain linkerd.yaml 'GET http://web/'</code>
          </dt>
          <dd>the four steps of a request</dd>
        </div>
        <div>
          <dt>
            <code>curl -X POST {location.origin}/admin/reload</code>
          </dt>
          <dd>applies the file anew, as SIGHUP does</dd>
        </div>
      </dl>
    </section>
  );
}
