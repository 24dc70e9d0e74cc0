// All followed markets in a grid. Rows change by transactions: the grid is built once, and keeps its scroll position,
// order and filters. It is no reactive property of anything.
import * as AgGrid from "nicegui-aggrid";
import { age, count, price, size, time, words } from "truebook/format.js";
import { listen, now, store, table } from "truebook/store.js";

const SHOWN = {
  all: ["All followed", () => true],
  position: ["With a position", (row) => !!row.position_centi],
  orders: ["With open orders", (row) => !!row.open_orders],
  fresh: ["With a fresh book", (row) => row.stale === null],
  stale: ["With a stale book", (row) => row.stale !== null],
  excluded: ["Not selected", (row) => !row.selected],
};
const NARROW = 700;
const WIDE_ONLY = ["status", "bid_centi", "ask_centi", "last_cc", "mids", "stale", "open_orders", "updates", "decisions", "last_reason", "close_us"];
const REFRESH_MS = 1000;

// The mid prices of the last minutes as a line; a gap where the book was stale or one-sided.
class Sparkline {
  init(params) {
    this.gui = document.createElement("span");
    this.gui.className = "spark";
    this.refresh(params);
  }
  getGui() {
    return this.gui;
  }
  refresh({ value }) {
    const mids = value ?? [];
    const known = mids.filter((mid) => mid !== null);
    const low = Math.min(...known);
    const range = Math.max(...known) - low || 1;
    let line = "";
    let pen = "M";
    mids.forEach((mid, index) => {
      if (mid === null) {
        pen = "M";
        return;
      }
      line += `${pen}${((index * 96) / Math.max(1, mids.length - 1)).toFixed(1)},${(20 - ((mid - low) * 18) / range).toFixed(1)}`;
      pen = "L";
    });
    this.gui.innerHTML = known.length > 1 ? `<svg viewBox="0 0 96 22" width="96" height="22" aria-hidden="true"><path d="${line}"/></svg>` : "";
    return true;
  }
}

class MarketLink {
  init({ value, data }) {
    this.gui = document.createElement("a");
    this.gui.href = "/market/" + encodeURIComponent(value);
    this.gui.textContent = value;
    this.gui.title = data.title ?? value;
    this.gui.tabIndex = -1;
  }
  getGui() {
    return this.gui;
  }
  refresh() {
    return false;
  }
}

const number = (field, headerName, format, width, more = {}) => ({
  field,
  headerName,
  width,
  type: "rightAligned",
  cellClass: "number",
  valueFormatter: ({ value }) => format(value),
  comparator: (a, b) => (a ?? -Infinity) - (b ?? -Infinity),
  ...more,
});

const COLUMNS = [
  { field: "ticker", headerName: "Market", width: 230, cellRenderer: MarketLink, sort: "asc" },
  number("bid_centi", "Bid size", size, 92),
  number("bid_cc", "Bid ¢", price, 72),
  number("ask_cc", "Ask ¢", price, 72),
  number("ask_centi", "Ask size", size, 92),
  number("last_cc", "Last ¢", price, 74),
  { field: "mids", headerName: "Mid price", width: 118, cellRenderer: Sparkline, sortable: false, cellDataType: false },
  number("position_centi", "Position", size, 92),
  number("open_orders", "Orders", count, 78),
  number("updated_us", "Age", (value) => age(value, now()), 76, { cellClass: "number age" }),
  {
    field: "stale", headerName: "Book", width: 140,
    valueFormatter: ({ value, data }) => (value === null ? "✓ fresh" : `▲ ${words(value)} ${age(data.stale_since_us, now())}`),
    cellClassRules: { stale: ({ value }) => value !== null },
  },
  number("decisions", "Decisions", count, 96),
  { field: "last_reason", headerName: "Why no order", width: 150, valueFormatter: ({ value }) => (value === null ? "" : words(value)) },
  number("updates", "Changes", count, 92),
  { field: "status", headerName: "State", width: 90, valueFormatter: ({ value }) => words(value || null) },
  number("close_us", "Closes (UTC)", (value) => time(value), 110),
];

export default {
  data: () => ({ store, text: "", shown: "all", choices: SHOWN, rows: 0, visible: 0 }),
  template: `
    <h1>Markets</h1>
    <div class="filters">
      <label>Find <input type="search" v-model="text" @input="filter" placeholder="market, event or reason" /></label>
      <label>Show <select v-model="shown" @change="filter"><option v-for="([title], key) in choices" :key="key" :value="key">{{ title }}</option></select></label>
      <span class="note" data-testid="rows">{{ visible }} of {{ rows }} markets</span>
    </div>
    <div ref="grid" class="grid" role="region" aria-label="Table of markets"></div>
  `,
  mounted() {
    AgGrid.ModuleRegistry.registerModules([AgGrid.AllCommunityModule]);
    const theme = AgGrid.themeQuartz.withPart(AgGrid.colorSchemeVariable).withParams({
      backgroundColor: "var(--card)",
      foregroundColor: "var(--text)",
      headerBackgroundColor: "var(--back)",
      headerTextColor: "var(--text)",
      borderColor: "color-mix(in srgb, var(--line) 40%, transparent)",
      accentColor: "var(--accent)",
      rowHoverColor: "color-mix(in srgb, var(--accent) 10%, transparent)",
      spacing: window.innerWidth < NARROW ? "3px" : "5px",
      cellHorizontalPadding: window.innerWidth < NARROW ? "6px" : "10px",
    });
    this.api = AgGrid.createGrid(this.$refs.grid, {
      theme,
      columnDefs: COLUMNS,
      defaultColDef: { resizable: true, sortable: true, suppressMovable: false },
      rowData: [...table("rows").values()],
      getRowId: ({ data }) => data.ticker,
      asyncTransactionWaitMillis: 50,
      deltaSort: true,
      animateRows: false,
      ensureDomOrder: true,
      suppressCellFocus: false,
      isExternalFilterPresent: () => this.shown !== "all",
      doesExternalFilterPass: ({ data }) => SHOWN[this.shown][1](data),
      getRowClass: ({ data }) => (data.selected ? "" : "excluded"),
      onCellKeyDown: ({ event, data }) => event.key === "Enter" && location.assign("/market/" + encodeURIComponent(data.ticker)),
      onModelUpdated: ({ api }) => {
        this.visible = api.getDisplayedRowCount();
      },
      overlayNoRowsTemplate: "<span>No market to show.</span>",
    });
    window.truebookGrid = this.api;
    listen("rows", this.change);
    this.ages = setInterval(() => this.api.refreshCells({ columns: ["updated_us", "stale"], force: true }), REFRESH_MS);
    this.fit();
    window.addEventListener("resize", this.fit);
  },
  beforeUnmount() {
    clearInterval(this.ages);
    window.removeEventListener("resize", this.fit);
    this.api.destroy();
  },
  methods: {
    change(keys, removed, first) {
      const rows = table("rows");
      this.rows = rows.size;
      if (first) {
        this.known = new Set(keys);
        return;
      }
      // Transactions wait for a moment: whether the grid has a row is decided here, not by what it shows by now.
      const add = [];
      const update = [];
      for (const key of keys) (this.known.has(key) ? update : add).push(rows.get(key));
      const remove = removed.filter((key) => this.known.has(key)).map((ticker) => ({ ticker }));
      for (const { ticker } of add) this.known.add(ticker);
      for (const { ticker } of remove) this.known.delete(ticker);
      this.api.applyTransactionAsync({ add, update, remove });
    },
    filter() {
      this.api.setGridOption("quickFilterText", this.text);
      this.api.onFilterChanged();
    },
    fit() {
      const narrow = window.innerWidth < NARROW;
      if (narrow === this.narrow) return;
      this.narrow = narrow;
      this.api.setColumnsVisible(WIDE_ONLY, !narrow);
      const widths = narrow ? { ticker: 130, bid_cc: 60, ask_cc: 60, position_centi: 62, updated_us: 54 } : { ticker: 230, bid_cc: 72, ask_cc: 72, position_centi: 92, updated_us: 76 };
      this.api.setColumnWidths(Object.entries(widths).map(([key, newWidth]) => ({ key, newWidth })));
    },
  },
};
