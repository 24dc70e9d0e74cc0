// The statement of a day, laid out as the command prints it. A closed day does not change; today's is made when opened.
import { emit, row } from "truebook/store.js";

export default {
  data: () => ({ day: "" }),
  template: `
    <h1>Statement</h1>
    <div class="filters">
      <label>Day <input type="date" v-model="day" @change="choose" /></label>
      <span class="note">Without a day: today. <code>truebook statement --pdf</code> writes a file.</span>
    </div>
    <p v-if="!statement" class="empty">Reading the journal…</p>
    <p v-else-if="!statement.known" class="empty" data-testid="refused">Not available: {{ statement.problem }}</p>
    <template v-else>
      <section class="card" data-testid="statement">
        <h2>{{ statement.title }}</h2>
        <p class="note">{{ statement.subtitle }}</p>
        <p v-for="line in statement.lines" :key="line">{{ line }}</p>
        <p v-for="[good, text] in statement.checks" :key="text" :class="good ? 'good' : 'bad'"><span aria-hidden="true">{{ good ? "✓" : "■" }}</span> {{ text }}</p>
      </section>
      <section v-for="section in statement.sections" :key="section.heading" class="card">
        <h2>{{ section.heading }}</h2>
        <p v-for="line in section.lines" :key="line">{{ line }}</p>
        <p v-if="!section.table?.rows.length" class="empty">{{ section.empty }}</p>
        <div v-else class="scroll tall" tabindex="0" role="region" :aria-label="section.heading">
          <table>
            <thead><tr><th v-for="[name, number] in section.table.columns.map(column)" :key="name" scope="col" :class="{ number }">{{ name }}</th></tr></thead>
            <tbody>
              <tr v-for="(cells, index) in section.table.rows" :key="index"><td v-for="(cell, place) in cells" :key="place" :class="{ number: column(section.table.columns[place])[1] }">{{ cell }}</td></tr>
              <tr v-if="section.table.total" class="total"><td v-for="(cell, place) in section.table.total" :key="place" :class="{ number: column(section.table.columns[place])[1] }">{{ cell }}</td></tr>
            </tbody>
          </table>
        </div>
      </section>
    </template>
  `,
  computed: {
    subject() {
      return `statement/${this.day}`;
    },
    statement() {
      return row(this.subject);
    },
  },
  mounted() {
    emit("subject", this.subject);
  },
  methods: {
    column: ({ name, is_number }) => [name, is_number],
    choose() {
      emit("subject", this.subject);
    },
  },
};
