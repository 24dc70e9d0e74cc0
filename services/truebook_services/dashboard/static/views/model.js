// The model in use and its shadow: what they decide, how their probabilities compare, what they see, and the switch.
import { Chart, axes } from "truebook/charts.js";
import { age, count, moment, share, words } from "truebook/format.js";
import { confirm, row, store } from "truebook/store.js";

export default {
  components: { Chart },
  data: () => ({ store, market: null }),
  template: `
    <h1>Model</h1>
    <p v-if="!model" class="empty">Reading…</p>
    <template v-else>
      <div class="values">
        <div class="measure"><span class="name">Active</span><span class="value text" data-testid="active">{{ model.active ?? "–" }}</span><span class="note">{{ model.active ? "" : "no decision was seen, and no service has reported one" }}</span></div>
        <div class="measure"><span class="name">Shadow</span><span class="value text">{{ model.shadow ?? "none" }}</span><span class="note">never trades</span></div>
      </div>
      <p v-if="model.active_sha256" class="note">SHA-256 <code>{{ model.active_sha256 }}</code></p>
      <p v-if="model.stopped" class="banner bad">■ No model decides: {{ failure(model.stopped) }}</p>
      <p v-if="model.rolled_back" class="banner warn">▲ Rolled back: {{ failure(model.rolled_back) }}</p>
      <section class="card">
        <h2>Models</h2>
        <p v-if="!models" class="empty">Reading…</p>
        <p v-else-if="!models.known" class="empty">Not available: {{ models.problem }}</p>
        <div v-else class="scroll" tabindex="0" role="region" aria-label="Models"><table>
          <thead><tr><th scope="col">Name</th><th scope="col">Use</th><th scope="col">Layout</th><th scope="col">Output</th><th scope="col"><span class="away">Switch</span></th></tr></thead>
          <tbody><tr v-for="each in models.models" :key="each.name"><th scope="row">{{ each.name }}</th><td>{{ use(each) }}</td><td>{{ each.layout ?? "–" }}</td><td>{{ each.output ?? each.refused }}</td>
            <td><button v-if="!each.is_active && !each.refused" type="button" @click="activate(each.name)">Use {{ each.name }}</button></td></tr></tbody>
        </table></div>
        <p v-if="previous"><button type="button" @click="rollBack">Roll back to {{ previous.name }}</button></p>
      </section>
      <div class="columns">
        <section class="card">
          <h2>Decisions per minute</h2>
          <p v-if="!model.minutes.length" class="empty">No decision yet.</p>
          <chart v-else :build="drawMinutes" :data="model.minutes" :label="'Decisions per minute by kind; in total ' + total" />
        </section>
        <section class="card">
          <h2>Probability against price</h2>
          <p v-if="!model.probabilities.length" class="empty">This model has no probabilities, or none was decided on yet.</p>
          <chart v-else :build="drawProbabilities" :data="model.probabilities" label="The model's probability of YES against the market's mid price, one point per decision" />
        </section>
      </div>
      <section class="card">
        <h2>What it sees</h2>
        <p v-if="!seen" class="empty">No observation yet.</p>
        <template v-else>
          <div class="filters"><label>Market <select v-model="market"><option v-for="each in model.observations" :key="each.ticker" :value="each.ticker">{{ each.ticker }}</option></select></label>
            <span class="note">layout {{ seen.layout }}, {{ seen.values.length }} features, {{ age(seen.at_us, store.now_us) }} old. Colour: each value's place among all, by rank.</span></div>
          <div class="heat" tabindex="0" role="region" aria-label="Features of the newest observation">
            <div v-for="(value, index) in seen.values" :key="index" class="cell" :style="shade(index)"><span class="feature">{{ seen.names[index] ?? "feature " + index }}</span><span class="number">{{ shown(value) }}</span></div>
          </div>
        </template>
      </section>
      <section class="card">
        <h2>Calibration of settled markets</h2>
        <p v-if="!model.calibration.length" class="empty">No market with a probability has settled since the start of this view.</p>
        <template v-else>
          <chart :build="drawCalibration" :data="model.calibration" label="Mean pay-out against mean probability, by tenths of probability" />
          <div class="scroll" tabindex="0" role="region" aria-label="Calibration by tenths"><table><thead><tr><th scope="col">Probability</th><th scope="col" class="number">Markets</th><th scope="col" class="number">Mean probability</th><th scope="col" class="number">Paid</th></tr></thead>
            <tbody><tr v-for="bin in model.calibration" :key="bin.from_ppm"><th scope="row">{{ share(bin.from_ppm) }} to {{ share(bin.to_ppm) }}</th><td class="number">{{ count(bin.markets) }}</td><td class="number">{{ share(bin.mean_fair_ppm) }}</td><td class="number">{{ share(bin.mean_settlement_ppm) }}</td></tr></tbody></table></div>
        </template>
      </section>
    </template>
  `,
  computed: {
    model: () => row("model"),
    models: () => row("models"),
    // The registry's, which a change replaces: a run with a model of its own reports another one.
    activeName() {
      return (this.models?.known && this.models.models.find((each) => each.is_active)?.name) || null;
    },
    previous() {
      return this.models?.known && this.models.models.find((each) => each.is_previous);
    },
    seen() {
      const all = this.model?.observations ?? [];
      return all.find((each) => each.ticker === this.market) ?? all[0];
    },
    ranks() {
      const order = this.seen.values.map((value, index) => [value, index]).sort((a, b) => a[0] - b[0]);
      const ranks = [];
      order.forEach(([, index], rank) => {
        ranks[index] = rank / Math.max(1, order.length - 1);
      });
      return ranks;
    },
    total() {
      return count(this.model.minutes.flatMap((each) => Object.values(each.counts)).reduce((a, b) => a + b, 0));
    },
  },
  watch: {
    seen(value) {
      this.market ??= value?.ticker;
    },
  },
  methods: {
    age, count, share,
    failure: (each) => `${each.model}, ${each.reason ?? "the reason is not known"}, by ${each.by ?? "–"}, ${moment(each.at_us)}`,
    use(each) {
      if (each.refused) return "can't be used";
      return [each.is_active && "● active", each.is_shadow && "shadow", each.is_previous && "previous"].filter(Boolean).join(", ");
    },
    shown: (value) => (Number.isInteger(value) ? String(value) : Math.abs(value) >= 1000 || Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(4)),
    shade(index) {
      return { "--rank": `${Math.round(this.ranks[index] * 70)}%` };
    },
    activate(name) {
      confirm({
        control: "activate", arguments: { name, instead_of: this.activeName }, title: `Use the model ${name}`, action: `Use ${name}`,
        effect: [`${name} decides instead of ${this.model.active ?? "the present model"} from its next observation on. Running services follow within a second.`, "Working orders stay until the new model decides on their markets. A run that was started with a model of its own keeps it."],
      });
    },
    rollBack() {
      confirm({
        control: "rollback", arguments: { instead_of: this.activeName }, title: `Roll back to ${this.previous.name}`, action: "Roll back",
        effect: [`${this.previous.name} decides again instead of ${this.model.active ?? "the present model"}, with the same bytes as before.`],
      });
    },
    drawMinutes(minutes, colors) {
      const { time: x, value: y } = axes(colors);
      const kinds = [...new Set(minutes.flatMap((each) => Object.keys(each.counts)))].sort();
      const order = [colors.main, colors.orange, colors.green, colors.red, colors.purple, "#F0E442", "#999999"];
      return {
        legend: { top: 0, textStyle: { color: colors.text } },
        tooltip: { trigger: "axis" },
        grid: { left: 8, right: 12, top: 48, bottom: 8, containLabel: true },
        xAxis: { ...x, minInterval: 60000 },
        yAxis: { ...y, scale: false, minInterval: 1 },
        series: kinds.map((kind, index) => ({ name: words(kind), type: "bar", stack: "all", barMaxWidth: 22, color: order[index % order.length], itemStyle: { borderColor: colors.card, borderWidth: 1 }, data: minutes.map((each) => [each.at_us / 1000, each.counts[kind] ?? 0]) })),
      };
    },
    drawProbabilities(points, colors) {
      const { value } = axes(colors);
      const percent = (name) => ({ ...value, name, nameLocation: "middle", nameGap: 42, nameTextStyle: { color: colors.text }, min: 0, max: 100, axisLabel: { ...value.axisLabel, formatter: (each) => each + " %" } });
      return {
        tooltip: { formatter: ({ data }) => (data[2] ? `${data[2]}: price ${data[0].toFixed(1)} %, model ${data[1].toFixed(1)} %` : "") },
        grid: { left: 44, right: 16, top: 12, bottom: 40 },
        xAxis: percent("market's mid price"),
        yAxis: percent("model's probability"),
        series: [
          { type: "scatter", symbolSize: 6, color: colors.main, data: points.map(([, ticker, fair, mid]) => [mid / 100, fair / 10000, ticker]), itemStyle: { opacity: 0.6 } },
          { type: "line", showSymbol: false, silent: true, color: colors.text, lineStyle: { type: "dashed", width: 1 }, data: [[0, 0], [100, 100]] },
        ],
      };
    },
    drawCalibration(bins, colors) {
      const { value } = axes(colors);
      const percent = { ...value, min: 0, max: 100, axisLabel: { ...value.axisLabel, formatter: (each) => each + " %" } };
      return {
        grid: { left: 8, right: 16, top: 12, bottom: 8, containLabel: true },
        xAxis: percent, yAxis: percent,
        series: [
          { type: "line", symbol: "circle", symbolSize: 9, color: colors.main, data: bins.map((bin) => [bin.mean_fair_ppm / 10000, bin.mean_settlement_ppm / 10000]) },
          { type: "line", showSymbol: false, silent: true, color: colors.text, lineStyle: { type: "dashed", width: 1 }, data: [[0, 0], [100, 100]] },
        ],
      };
    },
  },
};
