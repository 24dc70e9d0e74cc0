// Decisions with targets, and the life of one of them joined by its ids: observation, action, order, fills, settlement.
import { age, count, fee, milliseconds, moment, price, share, side, size, time, words } from "truebook/format.js";
import { stepText } from "truebook/steps.js";
import { emit, row, store, table } from "truebook/store.js";

const MAX_ROWS = 100;

export default {
  data: () => ({ store, chosen: null, text: "", state: "" }),
  template: `
    <h1>Orders and fills</h1>
    <div class="filters">
      <label>Find <input type="search" v-model="text" placeholder="market, model or id" /></label>
      <label>State <select v-model="state"><option v-for="each in states" :key="each" :value="each">{{ each ? words(each) : "any" }}</option></select></label>
      <span class="note">{{ rows.length }} of {{ all.length }} decisions with targets, newest first</span>
    </div>
    <section v-if="chosen" ref="life" class="card life" tabindex="-1" data-testid="life">
      <h2>One decision</h2>
      <button type="button" class="plain close" @click="choose(null)">Close</button>
      <p v-if="!life" class="empty">Reading…</p>
      <p v-else-if="!life.known" class="empty">This decision is not known any more.</p>
      <template v-else>
        <p><a :href="'/market/' + encodeURIComponent(life.ticker)">{{ life.ticker }}</a> · {{ words(life.state) }} · {{ moment(life.decided_us) }}</p>
        <ol class="steps">
          <li><strong>Observation</strong> <code>{{ life.observation_id }}</code><br />bid {{ price(life.bid_cc) }}, ask {{ price(life.ask_cc) }}, position {{ size(life.position_centi) }}; {{ milliseconds(life.observe_us) }} after the book's newest confirmation</li>
          <li><strong>Action</strong> <code>{{ life.action_id }}</code><br />{{ life.model }}, probability {{ share(life.fair_ppm) }}, edge {{ price(life.edge_cc) }} ¢; {{ milliseconds(life.decide_us) }} after the observation</li>
          <li v-for="(order, index) in life.orders" :key="index"><strong>Order</strong> <code>{{ order.client_order_id || "none was created" }}</code>
            <template v-if="order.exchange_order_id">{{ " at the exchange " }}<code>{{ order.exchange_order_id }}</code></template>
            <br />{{ side(order.book_side) }} {{ size(order.size_centi) }} at {{ price(order.price_cc) }} ¢; sent {{ milliseconds(order.tick_to_send_us) }} after the change
            <ul>
              <li v-for="(step, number) in order.steps" :key="number"><time>{{ time(step.at_us) }}</time> {{ stepText(step) }}</li>
              <li v-for="fill in order.fills" :key="fill.trade_id"><time>{{ time(fill.at_us) }}</time> <strong>Fill</strong> {{ size(fill.size_centi) }} at {{ price(fill.price_cc) }} ¢ as {{ fill.is_taker ? "taker" : "maker" }}, fee {{ fee(fill.fee_micros) }} <code>{{ fill.trade_id }}</code></li>
            </ul>
          </li>
          <li><strong>Settlement</strong> {{ life.settled_us === null ? "not yet" : "at " + price(life.settlement_cc) + " ¢, " + moment(life.settled_us) }}</li>
        </ol>
      </template>
    </section>
    <p v-if="!rows.length" class="empty">No decision to show.</p>
    <div v-else class="scroll card" tabindex="0" role="region" aria-label="Decisions">
      <table data-testid="decisions">
        <thead><tr><th scope="col">Time</th><th scope="col">Market</th><th scope="col">State</th><th scope="col">Targets</th><th scope="col" class="number">Orders</th><th scope="col" class="number">Filled</th><th scope="col" class="number">Fee</th><th scope="col" class="number">Tick to order</th><th scope="col">Reason</th></tr></thead>
        <tbody>
          <tr v-for="each in rows" :key="each.action_id" :class="{ chosen: each.action_id === chosen }">
            <td><button type="button" class="link" @click="choose(each.action_id)" :aria-label="'Show the decision of ' + time(each.at_us) + ' on ' + each.ticker">{{ time(each.at_us) }}</button></td>
            <td><a :href="'/market/' + encodeURIComponent(each.ticker)">{{ each.ticker }}</a></td>
            <td>{{ words(each.state) }}</td>
            <td>{{ targets(each) }}</td>
            <td class="number">{{ count(each.orders) }}</td>
            <td class="number">{{ size(each.filled_centi) }}</td>
            <td class="number">{{ fee(each.fee_micros) }}</td>
            <td class="number">{{ milliseconds(each.tick_to_send_us) }}</td>
            <td>{{ each.reason ? words(each.reason) : "" }}</td>
          </tr>
        </tbody>
      </table>
    </div>
  `,
  computed: {
    all: () => [...table("decisions").values()].sort((a, b) => b.at_us - a.at_us),
    states() {
      return ["", ...new Set(this.all.map((each) => each.state))].sort();
    },
    rows() {
      const text = this.text.trim().toLowerCase();
      return this.all
        .filter((each) => !this.state || each.state === this.state)
        .filter((each) => !text || `${each.ticker} ${each.model} ${each.action_id}`.toLowerCase().includes(text))
        .slice(0, MAX_ROWS);
    },
    life() {
      return this.chosen && row(`decision/${this.chosen}`);
    },
  },
  mounted() {
    const given = new URLSearchParams(location.search).get("decision");
    if (given) this.choose(given);
  },
  methods: {
    age, count, fee, milliseconds, moment, price, share, side, size, time, words,
    stepText,
    targets: (each) => each.targets.map((target) => `${side(target.book_side)} ${size(target.size_centi)} at ${price(target.price_cc)} ¢`).join(", "),
    choose(id) {
      this.chosen = id;
      emit("subject", id ? `decision/${id}` : "");
      if (id) this.$nextTick(() => this.$refs.life.focus());
    },
  },
};
