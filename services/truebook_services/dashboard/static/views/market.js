// One market: its book with our orders, prices with our fills and decisions, the position, and the last decisions.
import { Chart, axes } from "truebook/charts.js";
import { age, count, dollars, fee, moment, nonzero, price, side, size, time, words } from "truebook/format.js";
import { row, store } from "truebook/store.js";
import { stepText } from "truebook/steps.js";

const MAX_ROWS = 12;

export default {
  props: { name: String },
  components: { Chart },
  data: () => ({ store }),
  template: `
    <h1>{{ name }}</h1>
    <p v-if="!market" class="empty">Reading…</p>
    <p v-else-if="!market.known" class="empty">Nothing is known of this market: {{ market.problem ?? "the exchange does not list it, or it is not followed" }}.</p>
    <template v-else>
      <p class="note">{{ market.row.title ?? market.row.event }} · {{ words(market.row.status || null) }} · closes {{ moment(market.row.close_us) }}</p>
      <p v-if="market.row.stale !== null" class="banner warn">▲ The book is stale ({{ words(market.row.stale) }}) since {{ moment(market.row.stale_since_us) }}: prices are not known.</p>
      <p v-if="market.row.exclusion" class="banner warn">Not selected: {{ words(market.row.exclusion) }}</p>
      <div class="values">
        <div v-for="[title, value, note] in values" :key="title" class="measure"><span class="name">{{ title }}</span><span class="value">{{ value }}</span><span class="note">{{ note }}</span></div>
      </div>
      <div class="columns ladder-first">
        <section class="card">
          <h2>Book</h2>
          <table class="ladder" data-testid="ladder">
            <thead><tr><th scope="col" class="number">Price ¢</th><th scope="col" class="number">Size</th><th scope="col" class="number">Ours</th><th scope="col" class="number">Ahead</th></tr></thead>
            <tbody>
              <tr v-for="level in asks" :key="'a' + level.price_cc" class="ask" :class="{ own: level.own_centi }" :style="bar(level)"><th scope="row" class="number"><span class="away">sell </span>{{ price(level.price_cc) }}</th><td class="number">{{ size(level.size_centi) }}</td><td class="number">{{ own(level) }}</td><td class="number">{{ ahead(level) }}</td></tr>
              <tr class="middle"><td colspan="4">{{ spread }}</td></tr>
              <tr v-for="level in bids" :key="'b' + level.price_cc" class="bid" :class="{ own: level.own_centi }" :style="bar(level)"><th scope="row" class="number"><span class="away">buy </span>{{ price(level.price_cc) }}</th><td class="number">{{ size(level.size_centi) }}</td><td class="number">{{ own(level) }}</td><td class="number">{{ ahead(level) }}</td></tr>
            </tbody>
          </table>
          <p v-if="market.more_levels" class="note">{{ market.more_levels }} more levels</p>
        </section>
        <section class="card">
          <h2>Prices, our fills and decisions</h2>
          <chart :build="drawPrices" :data="market" :label="'Best prices over time; bid ' + price(market.row.bid_cc) + ', ask ' + price(market.row.ask_cc) + ' cents; ' + market.fills.length + ' fills of ours'" />
        </section>
      </div>
      <section class="card">
        <h2>Why: the last decisions</h2>
        <p v-if="counted" class="note">Decisions that change nothing: {{ counted }}</p>
        <p v-if="refusals" class="note">Refused before a decision: {{ refusals }}</p>
        <p v-if="!market.decisions.length" class="empty">No decision yet.</p>
        <details v-for="(each, index) in decisions" :key="each.action_id" :open="index === 0">
          <summary><time>{{ time(each.at_us) }}</time> {{ each.model }}: {{ summary(each) }}</summary>
          <ol class="gates">
            <li>Observed: bid {{ price(each.bid_cc) }}, ask {{ price(each.ask_cc) }}, position {{ size(each.position_centi) }}</li>
            <li>{{ each.reason ? "No target: " + words(each.reason) : "Targets: " + targets(each) }}</li>
            <li v-for="(step, number) in each.steps" :key="number"><time>{{ time(step.at_us) }}</time> {{ stepText(step) }}</li>
            <li v-if="each.more_steps">{{ each.more_steps }} more steps</li>
          </ol>
          <a :href="'/orders?decision=' + encodeURIComponent(each.action_id)">Follow this decision</a>
        </details>
      </section>
      <div class="columns">
        <section class="card">
          <h2>Open orders</h2>
          <p v-if="!market.orders.length" class="empty">None.</p>
          <div v-else class="scroll" tabindex="0" role="region" aria-label="Open orders"><table><thead><tr><th scope="col">Side</th><th scope="col" class="number">Price ¢</th><th scope="col" class="number">Remaining</th><th scope="col">State</th><th scope="col" class="number">Age</th></tr></thead>
            <tbody><tr v-for="each in market.orders" :key="each.client_order_id"><td>{{ side(each.book_side) }}</td><td class="number">{{ price(each.price_cc) }}</td><td class="number">{{ size(each.remaining_centi) }} of {{ size(each.size_centi) }}</td><td>{{ words(each.state) }}</td><td class="number">{{ age(each.reserved_us, store.now_us) }}</td></tr></tbody></table></div>
        </section>
        <section class="card">
          <h2>Our fills</h2>
          <p v-if="!market.fills.length" class="empty">None.</p>
          <div v-else class="scroll" tabindex="0" role="region" aria-label="Our fills"><table><thead><tr><th scope="col">Time</th><th scope="col">Side</th><th scope="col" class="number">Price ¢</th><th scope="col" class="number">Size</th><th scope="col" class="number">Fee</th><th scope="col">As</th></tr></thead>
            <tbody><tr v-for="each in fills" :key="each.trade_id"><td>{{ time(each.at_us) }}</td><td>{{ side(each.book_side) }}</td><td class="number">{{ price(each.price_cc) }}</td><td class="number">{{ size(each.size_centi) }}</td><td class="number">{{ fee(each.fee_micros) }}</td><td>{{ each.is_taker ? "taker" : "maker" }}</td></tr></tbody></table></div>
        </section>
      </div>
    </template>
  `,
  computed: {
    market() {
      return row(`market/${this.name}`);
    },
    asks() {
      return this.market.asks.slice(0, MAX_ROWS).reverse();
    },
    bids() {
      return this.market.bids.slice(0, MAX_ROWS);
    },
    fills() {
      return this.market.fills.slice(0, 50);
    },
    decisions() {
      return this.market.decisions.slice(0, 10);
    },
    largest() {
      return Math.max(1, ...[...this.asks, ...this.bids].map((level) => level.size_centi));
    },
    spread() {
      const { bid_cc: bid, ask_cc: ask } = this.market.row;
      return bid === null || ask === null ? "spread not known" : `spread ${price(ask - bid)} ¢`;
    },
    counted() {
      return nonzero(this.market.counted).map(([reason, value]) => `${words(reason)} ${count(value)}`).join(", ");
    },
    refusals() {
      return nonzero(this.market.refused).map(([reason, value]) => `${words(reason)} ${count(value)}`).join(", ");
    },
    values() {
      const { row: r, ...m } = this.market;
      return [
        ["Bid", price(r.bid_cc) + " ¢", `size ${size(r.bid_centi)}`],
        ["Ask", price(r.ask_cc) + " ¢", `size ${size(r.ask_centi)}`],
        ["Last", price(r.last_cc) + " ¢", `changed ${age(r.updated_us, store.now_us)} ago`],
        ["Position", size(r.position_centi), `cost ${dollars(m.position_cost_micros)}`],
        ["Realized", dollars(m.realized_micros), `fees ${dollars(m.fees_micros)}`],
        ["Unrealized", dollars(m.unrealized_micros), m.settlement_cc === null ? "" : `settled at ${price(m.settlement_cc)} ¢`],
      ];
    },
  },
  methods: {
    age, count, dollars, fee, moment, price, side, size, time, words,
    bar(level) {
      return { "--share": `${(100 * level.size_centi) / this.largest}%` };
    },
    stepText,
    own: (level) => (level.own_centi ? `● ${size(level.own_centi)}` : ""),
    ahead: (level) => (level.own_centi ? size(level.ahead_centi) : ""),
    targets: (each) => each.targets.map((target) => `${side(target.book_side)} ${size(target.size_centi)} at ${price(target.price_cc)} ¢`).join(", ") || "none",
    summary(each) {
      if (each.reason) return "no target, " + words(each.reason);
      const last = each.steps.at(-1);
      return this.targets(each) + (last ? `; ${words(last.outcome)}${last.reason ? " (" + words(last.reason) + ")" : ""}` : "; no report of execution yet");
    },
    drawPrices(market, colors) {
      const { time: x, value: y } = axes(colors);
      const at = (us) => us / 1000;
      const line = (name, index, color, dash) => ({
        name, type: "line", step: "end", showSymbol: false, color, lineStyle: { width: 1.5, type: dash },
        data: market.prices.map((point) => [at(point[0]), point[index] === null ? null : point[index] / 100]),
      });
      const marks = (name, symbol, color, rotate, data) => ({ name, type: "scatter", symbol, symbolRotate: rotate, symbolSize: 11, color, data });
      const fills = (book_side) => market.fills.filter((each) => each.book_side === book_side).map((each) => [at(each.at_us), each.price_cc / 100]);
      const decided = market.decisions.filter((each) => each.bid_cc !== null && each.ask_cc !== null).map((each) => [at(each.at_us), (each.bid_cc + each.ask_cc) / 200]);
      return {
        legend: { top: 0, textStyle: { color: colors.text } },
        tooltip: { trigger: "axis" },
        grid: { left: 8, right: 12, top: 48, bottom: 8, containLabel: true },
        xAxis: x,
        yAxis: { ...y, axisLabel: { ...y.axisLabel, formatter: (value) => value + " ¢" } },
        series: [
          line("bid", 1, colors.main, "solid"),
          line("ask", 2, colors.orange, "dashed"),
          marks("bought", "triangle", colors.green, 0, fills("bid")),
          marks("sold", "triangle", colors.red, 180, fills("ask")),
          marks("decision", "diamond", colors.purple, 0, decided),
        ],
      };
    },
  },
};
