// The account at a glance: whether the books are right, what it earned, and why it trades or does not.
import { Chart, axes } from "truebook/charts.js";
import { age, count, dollars, milliseconds, moment, nonzero, time, words } from "truebook/format.js";
import { row, store, table } from "truebook/store.js";

const MAX_EVENTS = 40;

export default {
  components: { Chart },
  data: () => ({ store }),
  template: `
    <h1>Overview</h1>
    <p v-if="!account" class="empty">The account is not known yet.</p>
    <template v-else>
      <div class="values">
        <div v-for="[name, value, note, kind] in values" :key="name" class="measure" :class="kind">
          <span class="name">{{ name }}</span><span class="value" :data-testid="name">{{ value }}</span>
          <span class="note">{{ note }}</span>
        </div>
      </div>
      <section class="card" :class="truth.kind" data-testid="truth">
        <h2>{{ truth.title }}</h2>
        <p>{{ truth.text }}</p>
        <ul v-if="account.differences?.length"><li v-for="each in account.differences" :key="each">{{ each }}</li></ul>
      </section>
    </template>
    <section v-if="funnel" class="card">
      <h2>Why it trades or does not</h2>
      <p class="verdict" data-testid="verdict">{{ funnel.verdict }}</p>
      <details>
      <summary>Stage by stage</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Stages of the last hour">
        <table>
          <thead><tr><th scope="col">Stage, {{ time(funnel.from_us) }} to {{ time(funnel.to_us) }} UTC</th><th scope="col" class="number">Passed</th><th scope="col">Did not, and why</th></tr></thead>
          <tbody>
            <tr v-for="stage in funnel.stages" :key="stage.name">
              <th scope="row">{{ words(stage.name) }}</th><td class="number">{{ count(stage.count) }}</td>
              <td>{{ lost(stage.lost) }}</td>
            </tr>
          </tbody>
        </table>
      </div>
      </details>
    </section>
    <section class="card">
      <h2>Equity less deposits, and its fall from the peak</h2>
      <p v-if="curve.length < 2" class="empty">There are not enough values yet.</p>
      <chart v-else :build="drawEquity" :data="curve" :label="curveLabel" />
    </section>
    <div class="columns">
      <section class="card">
        <h2>Stages</h2>
        <table>
          <tbody>
            <tr><th scope="row">From a change to the order, median</th><td class="number">{{ milliseconds(system?.tick_to_send_p50_us) }}</td></tr>
            <tr><th scope="row">the same, 99th percentile</th><td class="number">{{ milliseconds(system?.tick_to_send_p99_us) }}</td></tr>
            <tr v-for="each in services" :key="each.service + each.instance">
              <th scope="row">{{ each.service }}</th><td>{{ words(each.state) }} for {{ age(each.since_us, store.now_us) }}</td>
            </tr>
          </tbody>
        </table>
      </section>
      <section class="card">
        <h2>What happened</h2>
        <ol class="events" tabindex="0" aria-label="Newest events">
          <li v-for="event in events" :key="event.number" :class="{ problem: event.is_problem }">
            <time>{{ time(event.at_us) }}</time>
            <span><span v-if="event.is_problem" aria-hidden="true">▲ </span>{{ event.text }}<template v-if="event.ticker">{{ " · " }}<a :href="'/market/' + encodeURIComponent(event.ticker)">{{ event.ticker }}</a></template></span>
          </li>
        </ol>
      </section>
    </div>
  `,
  computed: {
    account: () => row("account"),
    funnel: () => row("funnel"),
    system: () => row("system"),
    services: () => [...table("services").values()].sort((a, b) => a.service.localeCompare(b.service)),
    events: () => [...table("events").values()].sort((a, b) => b.number - a.number).slice(0, MAX_EVENTS),
    values() {
      const a = this.account;
      const profit = a.equity_micros === null ? null : a.equity_micros - a.deposits_micros;
      const valued = a.valued_us === null ? "" : `valued ${age(a.valued_us, store.now_us)} ago`;
      return [
        ["Equity", dollars(a.equity_micros), a.equity_micros === null ? "a position has no known value" : valued],
        ["Profit", dollars(profit), `deposits ${dollars(a.deposits_micros)}`, profit < 0 ? "loss" : ""],
        ["Below the peak", dollars(a.below_peak_micros), `peak ${dollars(a.peak_micros)}`],
        ["Available cash", dollars(a.cash_micros), a.overdrawn_micros ? `overdrawn ${dollars(a.overdrawn_micros)}` : ""],
        ["Reserved", dollars(a.reserved_micros), `${count(a.open_orders)} open orders`],
        ["Exposure", dollars(a.position_cost_micros), `${count(a.positions)} markets`],
        ["Realized", dollars(a.realized_micros), ""],
        ["Unrealized", dollars(a.unrealized_micros), ""],
        ["Fees", dollars(a.fees_micros), ""],
        ["Loss today", dollars(a.daily_loss_micros), a.daily_loss_micros === null ? "no limit of losses is set" : ""],
        ["Unknown orders", count(a.unknown_orders), a.unknown_orders ? `since ${moment(a.unknown_since_us)}` : "", a.unknown_orders ? "loss" : ""],
        ["Ledger entries", count(a.ledger_seq), `read ${age(a.at_us, store.now_us)} ago`],
      ];
    },
    truth() {
      const a = this.account;
      const compared = a.compared_us === null ? "" : ` Compared ${age(a.compared_us, store.now_us)} ago.`;
      if (a.conservation_error_micros) {
        return { kind: "bad", title: "■ The ledger's totals are wrong", text: `The conservation check is off by ${dollars(a.conservation_error_micros)}.` };
      }
      if (a.differences === null) return { kind: "warn", title: "? Not known whether the books are true", text: "Ledger and exchange have not been compared yet." };
      if (a.differences.length) return { kind: "bad", title: `■ ${a.differences.length} open discrepancies`, text: compared };
      return { kind: "good", title: `✓ The books are true since ${moment(a.true_since_us)}`, text: "No open discrepancy. The conservation check is exact." + compared };
    },
    curve() {
      return [...table("points").values()].map((each) => each.point).sort((a, b) => a[0] - b[0]);
    },
    curveLabel() {
      const a = this.account;
      return `Profit over time, now ${dollars(a?.equity_micros === null ? null : a?.equity_micros - a?.deposits_micros)}; below the peak ${dollars(a?.below_peak_micros)}`;
    },
  },
  methods: {
    age,
    count,
    milliseconds,
    time,
    words,
    lost: (counts) => nonzero(counts).map(([reason, value]) => `${words(reason)} ${count(value)}`).join(", ") || "–",
    drawEquity(points, colors) {
      const { time: x, value: y } = axes(colors);
      let peak = -Infinity;
      const profit = [];
      const fall = [];
      for (const [at_us, equity, deposits] of points) {
        const value = equity === null ? null : (equity - deposits) / 1e6;
        if (value !== null) peak = Math.max(peak, value);
        profit.push([at_us / 1000, value]);
        fall.push([at_us / 1000, value === null ? null : value - peak]);
      }
      const label = { formatter: (value) => dollars(value * 1e6) };
      return {
        legend: { top: 0, textStyle: { color: colors.text } },
        tooltip: { trigger: "axis", valueFormatter: (value) => (value == null ? "not known" : dollars(value * 1e6)) },
        grid: { left: 8, right: 12, top: 32, bottom: 8, containLabel: true },
        xAxis: x,
        yAxis: { ...y, axisLabel: { ...y.axisLabel, ...label } },
        series: [
          { name: "profit", type: "line", showSymbol: false, data: profit, color: colors.main, lineStyle: { width: 2 } },
          { name: "below the peak", type: "line", showSymbol: false, data: fall, color: colors.red, lineStyle: { width: 1, type: "dashed" }, areaStyle: { opacity: 0.15 } },
        ],
      };
    },
  },
};
