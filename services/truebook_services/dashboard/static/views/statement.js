// The statement of a day, as the operator's port reports it.
import { dollars, words } from "truebook/format.js";
import { emit, row } from "truebook/store.js";

export default {
  data: () => ({ day: "" }),
  template: `
    <h1>Statement</h1>
    <div class="filters"><label>Day (UTC) <input type="date" v-model="day" @change="choose" /></label></div>
    <p v-if="!statement" class="empty">Reading…</p>
    <p v-else-if="!statement.known" class="empty">Not available: {{ statement.problem }}</p>
    <section v-else class="card"><h2>{{ statement.day }}</h2><pre>{{ statement }}</pre></section>
  `,
  computed: {
    subject() {
      return this.day ? `statement/${this.day}` : "statement/";
    },
    statement() {
      return row(this.subject);
    },
  },
  mounted() {
    emit("subject", this.subject);
  },
  methods: {
    dollars, words,
    choose() {
      emit("subject", this.subject);
    },
  },
};
