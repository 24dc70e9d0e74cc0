// What runs and what went wrong: services, lag, breakers, refusals, reconciliation, dead letters, limits, newest events.
import { age, count, dollars, milliseconds, moment, nonzero, time, words } from "truebook/format.js";
import { confirm, row, store, table } from "truebook/store.js";

const STATES = { works: "● works", standby: "○ standby", not_ready: "▲ not ready", stopped: "■ stopped", silent: "▲ silent" };
// The last part of a limit's name: its unit for people, and how many of the ledger's units that is.
const UNITS = { micros: ["dollars", 1_000_000], cc: ["cents", 100], centi: ["contracts", 100] };

const unit = (name) => UNITS[name.split("_").at(-1)] ?? [null, 1];

const shown = (name, value) => (value === null ? "" : String(value / unit(name)[1]));

// Whole units of the ledger; the text itself where it is not a number of these, which the server refuses. NaN would
// arrive there as null, which removes the limit.
function parsed(name, text) {
  if (text.trim() === "") return null;
  const exact = Number(text) * unit(name)[1];
  return Math.abs(exact - Math.round(exact)) < 1e-6 ? Math.round(exact) : text;
}

export default {
  data: () => ({ store, states: STATES }),
  template: `
    <h1>System</h1>
    <section class="card">
      <h2>Services</h2>
      <p v-if="!services.length" class="empty">No service has reported.</p>
      <div v-else class="scroll" tabindex="0" role="region" aria-label="Services"><table data-testid="services">
        <thead><tr><th scope="col">Service</th><th scope="col">State</th><th scope="col" class="number">For</th><th scope="col">Waits for, or why it can't work</th><th scope="col">Lag</th><th scope="col">Measures</th><th scope="col">Process</th><th scope="col" class="number">Reported</th></tr></thead>
        <tbody><tr v-for="each in services" :key="each.service + each.instance"><th scope="row">{{ each.service }}</th><td class="nowrap" :class="each.state">{{ states[each.state] ?? words(each.state) }}</td><td class="number">{{ age(each.since_us, store.now_us) }}</td><td>{{ each.not_ready.join("; ") }}</td><td>{{ pairs(each.lag) }}</td><td>{{ pairs(each.gauges) }}</td><td class="nowrap">{{ each.instance }} {{ each.version }}</td><td class="number">{{ age(each.reported_us, store.now_us) }}</td></tr></tbody>
      </table></div>
    </section>
    <div class="columns">
      <section class="card">
        <h2>Reconciliation</h2>
        <table v-if="account"><tbody>
          <tr><th scope="row">Compared last</th><td>{{ account.compared_us === null ? "not yet" : moment(account.compared_us) }}</td></tr>
          <tr><th scope="row">Equal since</th><td>{{ account.true_since_us === null ? "not known" : moment(account.true_since_us) }}</td></tr>
          <tr><th scope="row">Open discrepancies</th><td>{{ account.differences === null ? "not known" : account.differences.length }}</td></tr>
          <tr><th scope="row">Conservation error</th><td>{{ dollars(account.conservation_error_micros) }}</td></tr>
          <tr><th scope="row">Unknown orders</th><td>{{ count(account.unknown_orders) }}</td></tr>
        </tbody></table>
        <p v-else class="empty">The account is not known yet.</p>
        <ul v-if="account?.differences?.length"><li v-for="each in account.differences" :key="each">{{ each }}</li></ul>
      </section>
      <section class="card">
        <h2>Limits</h2>
        <p v-if="!limits" class="empty">Reading…</p>
        <p v-else-if="!limits.known" class="empty">Not available: {{ limits.problem }}</p>
        <template v-else>
          <table data-testid="limits"><tbody><tr v-for="[name, value] in limitRows" :key="name"><th scope="row">{{ label(name) }}</th><td class="number">{{ value === null ? "no limit" : shown(name, value) }}</td><td>{{ setBy(name, value) }}</td></tr></tbody></table>
          <p><button type="button" @click="changeLimits">Change the limits</button></p>
        </template>
      </section>
      <section v-for="[title, counts, none] in counters" :key="title" class="card">
        <h2>{{ title }}</h2>
        <p v-if="!counts" class="empty">Reading…</p>
        <p v-else-if="!counts.length" class="empty">{{ none }}</p>
        <table v-else><tbody><tr v-for="[name, value] in counts" :key="name"><th scope="row">{{ words(name) }}</th><td class="number">{{ count(value) }}</td></tr></tbody></table>
      </section>
    </div>
    <section v-if="system?.known" class="card">
      <h2>Dead letters: {{ count(system.dead_letter_count) }}</h2>
      <p class="note">Counted since {{ moment(system.since_us) }}. {{ system.skipped_messages ? count(system.skipped_messages) + " messages were skipped: this view was too slow, and its counts lack them." : "No message was skipped." }} Tick to order: median {{ milliseconds(system.tick_to_send_p50_us) }}, 99th percentile {{ milliseconds(system.tick_to_send_p99_us) }}.</p>
      <p v-if="!system.dead_letters.length" class="empty">None: every record could be used.</p>
      <div v-else class="scroll" tabindex="0" role="region" aria-label="Dead letters"><table><thead><tr><th scope="col">Time</th><th scope="col">Service</th><th scope="col">Origin</th><th scope="col">Reason</th><th scope="col">Detail</th></tr></thead>
        <tbody><tr v-for="each in system.dead_letters" :key="each.id"><td>{{ time(each.at_us) }}</td><td>{{ each.service }}</td><td>{{ each.origin }}</td><td>{{ words(each.reason) }}</td><td>{{ each.detail }}</td></tr></tbody></table></div>
    </section>
    <section class="card">
      <h2>Newest events</h2>
      <p v-if="!events.length" class="empty">None yet.</p>
      <ol v-else class="events" tabindex="0" aria-label="Newest events"><li v-for="event in events" :key="event.number" :class="{ problem: event.is_problem }"><time>{{ time(event.at_us) }}</time><span><span v-if="event.is_problem" aria-hidden="true">▲ </span>{{ words(event.kind) }}: {{ event.text }}<template v-if="event.ticker">{{ " · " }}<a :href="'/market/' + encodeURIComponent(event.ticker)">{{ event.ticker }}</a></template></span></li></ol>
    </section>
  `,
  computed: {
    account: () => row("account"),
    system: () => row("system"),
    limits: () => row("limits"),
    services: () => [...table("services").values()].sort((a, b) => (a.service + a.instance).localeCompare(b.service + b.instance)),
    events: () => [...table("events").values()].sort((a, b) => b.number - a.number).slice(0, 100),
    limitRows() {
      return Object.entries(this.limits.limits);
    },
    counters() {
      const s = this.system?.known ? this.system : null;
      return [
        ["Orders by outcome", s && nonzero(s.outcomes), "No order yet."],
        ["Orders refused, by reason", s && nonzero(s.refused), "None was refused."],
        ["Books invalidated, by reason", s && nonzero(s.stale), "None was invalidated."],
        ["Messages by topic", s && nonzero(s.counts), "No message yet."],
      ];
    },
  },
  methods: {
    age, count, dollars, milliseconds, moment, shown, time, words,
    pairs: (counts) => nonzero(counts).map(([name, value]) => `${words(name)} ${count(value)}`).join(", "),
    label(name) {
      const [title] = unit(name);
      return words(name.replace(/_(micros|cc|centi)$/, "")) + (title ? ` (${title})` : "");
    },
    setBy(name, value) {
      if (value === null) return "";
      return this.limits.from_settings.includes(name) ? "by the settings" : "by an operator";
    },
    changeLimits() {
      const before = Object.fromEntries(this.limitRows.map(([name, value]) => [name, shown(name, value)]));
      confirm({
        control: "limits", title: "Change the limits", action: "Set the limits",
        effect: ["The ledger checks these before each order, from now on. Only changed fields are set; an empty one removes the limit, and orders are then not bounded by it. What is set here has priority over the settings."],
        values: { ...before },
        fields: this.limitRows.map(([name]) => ({ name, type: "number", label: this.label(name) })),
        collect: (values) => ({ changes: Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== before[name]).map(([name, value]) => [name, parsed(name, value)])) }),
      });
    },
  },
};
