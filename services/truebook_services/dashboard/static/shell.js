// The frame of each page: navigation, the state of trading, banners, controls and their confirmation.
import { nextTick } from "vue";
import { age, count, dollars, moment, size, words } from "truebook/format.js";
import { confirm, emit, row, store } from "truebook/store.js";

const VIEWS = [
  ["overview", "/", "Overview"],
  ["markets", "/markets", "Markets"],
  ["orders", "/orders", "Orders"],
  ["model", "/model", "Model"],
  ["system", "/system", "System"],
  ["statement", "/statement", "Statement"],
];
const THEMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const MODES = {
  running: ["Trading", "good"],
  reduce_only: ["Reduce only", "warn"],
  flattening: ["Flattening", "warn"],
  halted: ["Halted", "bad"],
};

export default {
  props: { view: String, name: String },
  data: () => ({ store, theme: "auto", sent: false, views: VIEWS, themes: THEMES }),
  template: `
    <a class="skip" href="#content">Skip to the content</a>
    <div class="bar">
      <a class="brand" href="/">Truebook</a>
      <nav aria-label="Views">
        <a v-for="[key, path, title] in views" :key="key" :href="path" :aria-current="key === active ? 'page' : null">{{ title }}</a>
      </nav>
      <div class="state" role="status">
        <span class="badge" :class="mode[1]" data-testid="mode"><span aria-hidden="true">{{ mode[2] }}</span> {{ mode[0] }}</span>
      </div>
      <div class="actions">
        <button type="button" class="danger" @click="halt">Halt</button>
        <button type="button" @click="resume">Resume</button>
        <button type="button" @click="flatten">Flatten</button>
        <button type="button" class="plain" @click="nextTheme">{{ themes[theme] }}</button>
        <button type="button" class="plain" @click="signOut">Sign out</button>
      </div>
    </div>
    <div class="banners" aria-live="polite">
      <p v-if="store.lost_server_ms !== null" class="banner bad" data-testid="server-lost">
        <strong>This page has no connection</strong> for {{ lostServer }}. What is shown is old. It reconnects automatically.
      </p>
      <p v-else-if="store.source.lost_us !== null" class="banner bad" data-testid="source-lost">
        <strong>Not known since {{ moment(store.source.lost_us) }}</strong> ({{ age(store.source.lost_us, store.now_us) }} ago):
        {{ store.source.problem }}; {{ store.source.hint }}. What is shown is old. It reconnects automatically.
      </p>
      <p v-else-if="store.source.live === false" class="banner warn">
        <strong>Nothing runs.</strong> This is what the last run left.
      </p>
      <p v-if="store.source.note" class="banner warn">{{ store.source.note }}</p>
      <p v-for="hold in account?.holds ?? []" :key="hold" class="banner warn" data-testid="hold">
        <strong>Trading hold</strong> {{ hold }}
      </p>
    </div>
    <div id="content" tabindex="-1" :class="{ old: isOld }" :aria-busy="!store.ready">
      <p v-if="!store.ready" class="empty">Reading…</p>
      <slot v-else />
    </div>
    <dialog ref="dialog" aria-labelledby="dialog-title" @close="closed" @cancel="closed">
      <form v-if="dialog" method="dialog" @submit.prevent="send">
        <h2 id="dialog-title">{{ dialog.title }}</h2>
        <p v-for="line in dialog.effect" :key="line">{{ line }}</p>
        <label v-for="field in dialog.fields ?? []" :key="field.name" :class="field.type">
          <input v-if="field.type === 'checkbox'" type="checkbox" v-model="dialog.values[field.name]" :disabled="sent" />
          <span>{{ field.label }}</span>
          <select v-if="field.type === 'select'" v-model="dialog.values[field.name]" :disabled="sent">
            <option v-for="choice in field.choices" :key="choice" :value="choice">{{ choice }}</option>
          </select>
          <input v-else-if="field.type === 'number'" type="text" inputmode="decimal" pattern="[0-9]*[.]?[0-9]*"
            v-model="dialog.values[field.name]" :disabled="sent" placeholder="no limit" />
        </label>
        <p class="result" role="status" data-testid="outcome">
          <template v-if="result"><strong>{{ result.ok === null ? "Check the state." : result.ok ? "Done." : "Not done." }}</strong> {{ result.text }} {{ result.hint }}</template>
          <template v-else-if="sent">Requested; waiting for the result…</template>
        </p>
        <div class="buttons">
          <button type="button" @click="close" data-testid="close">{{ result ? "Close" : "Cancel" }}</button>
          <button v-if="!result" type="submit" class="danger" :disabled="sent" data-testid="confirm">{{ dialog.action }}</button>
        </div>
      </form>
    </dialog>
  `,
  computed: {
    active() {
      return this.view === "market" ? "markets" : this.view;
    },
    account() {
      return row("account");
    },
    mode() {
      if (!this.account) return ["Not known", "warn", "?"];
      if (this.isOld) return [`${(MODES[this.account.mode] ?? [words(this.account.mode)])[0]}, not known now`, "warn", "?"];
      if (store.source.live === false) return ["Not running", "warn", "■"];
      const [text, kind] = MODES[this.account.mode] ?? [words(this.account.mode), "warn"];
      return [text, kind, { good: "●", warn: "▲", bad: "■" }[kind]];
    },
    isOld() {
      return store.lost_server_ms !== null || store.source.lost_us !== null;
    },
    lostServer() {
      return store.now_us && age(0, (performance.now() - store.lost_server_ms) * 1000);
    },
    dialog() {
      return store.dialog;
    },
    result() {
      return store.dialog && store.outcomes.get(store.dialog.id);
    },
  },
  watch: {
    dialog(value) {
      if (!value) return;
      this.sent = false;
      nextTick(() => {
        this.$refs.dialog.showModal();
        this.$refs.dialog.querySelector("[data-testid=close]").focus();
      });
    },
  },
  created() {
    this.theme = localStorage.getItem("truebook-theme") ?? "auto";
    if (!(this.theme in THEMES)) this.theme = "auto";
    this.showTheme();
  },
  methods: {
    age,
    moment,
    halt() {
      confirm({
        control: "halt",
        title: "Halt trading",
        action: "Halt now",
        effect: [
          "No order is sent from now on, in the whole account, and every resting order is cancelled. Positions stay open.",
          `Open orders now: ${count(this.account?.open_orders)}. It lasts until an operator resumes.`,
        ],
        fields: [{ name: "keep_orders", type: "checkbox", label: "Keep the resting orders" }],
      });
    },
    resume() {
      const holds = this.account?.holds ?? [];
      confirm({
        control: "resume",
        title: "Resume trading",
        action: "Resume",
        effect: [
          "Releases the trading holds that an operator placed (halt and flatten). Orders are sent again unless another hold remains.",
          holds.length ? `In force now: ${holds.join("; ")}.` : "No trading hold is in force now.",
        ],
      });
    },
    flatten() {
      const cost = dollars(this.account?.position_cost_micros);
      confirm({
        control: "flatten",
        title: "Flatten the account",
        action: "Flatten now",
        effect: [
          `Closes all open positions: ${count(this.account?.positions)} markets, which have cost ${cost}. Orders that would open a position are cancelled.`,
          "No order is priced more than 5 cents beyond the best level. It takes up to a quarter of a minute, and what can't be sold stays open.",
          "Nothing is opened afterwards until an operator resumes.",
        ],
      });
    },
    send() {
      if (this.sent) return;
      this.sent = true;
      const { control, id, values, arguments: fixed } = store.dialog;
      const given = store.dialog.collect ? store.dialog.collect(values) : values;
      emit("control", { control, id, ...fixed, ...given });
    },
    close() {
      this.$refs.dialog.close();
    },
    closed() {
      store.dialog = null;
    },
    nextTheme() {
      const names = Object.keys(THEMES);
      this.theme = names[(names.indexOf(this.theme) + 1) % names.length];
      localStorage.setItem("truebook-theme", this.theme);
      this.showTheme();
    },
    showTheme() {
      Quasar.Dark.set(this.theme === "auto" ? "auto" : this.theme === "dark");
    },
    async signOut() {
      await fetch("/session", { method: "DELETE" });
      location.replace("/sign-in");
    },
  },
};
