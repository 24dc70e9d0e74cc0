// A chart of ECharts that is redrawn from its data and in the colours of the theme.
import { echarts } from "nicegui-echart";

// Okabe and Ito's palette: its colours differ for any colour vision. Marks also differ in shape.
export const COLORS = {
  blue: "#0072B2",
  orange: "#E69F00",
  green: "#009E73",
  red: "#D55E00",
  sky: "#56B4E9",
  purple: "#CC79A7",
};

export function palette() {
  const dark = document.body.classList.contains("body--dark");
  const style = getComputedStyle(document.body);
  return {
    ...COLORS,
    main: dark ? COLORS.sky : COLORS.blue,
    text: style.getPropertyValue("--muted").trim(),
    line: style.getPropertyValue("--line").trim(),
    card: style.getPropertyValue("--card").trim(),
    dark,
  };
}

export function axes(colors) {
  const common = {
    axisLine: { lineStyle: { color: colors.line } },
    axisLabel: { color: colors.text, hideOverlap: true },
    splitLine: { lineStyle: { color: colors.line, opacity: 0.35 } },
  };
  return { time: { type: "time", useUTC: true, ...common }, value: { type: "value", scale: true, ...common } };
}

export const Chart = {
  props: { build: Function, data: null, label: String },
  template: `<div class="chart" role="img" :aria-label="label"></div>`,
  mounted() {
    this.chart = echarts.init(this.$el);
    this.draw();
    this.sized = new ResizeObserver(() => this.chart.resize());
    this.sized.observe(this.$el);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  },
  beforeUnmount() {
    this.sized.disconnect();
    this.themed.disconnect();
    this.chart.dispose();
  },
  watch: {
    data() {
      this.draw();
    },
  },
  methods: {
    draw() {
      const colors = palette();
      const options = this.build(this.data, colors);
      this.chart.setOption(
        { animation: false, useUTC: true, textStyle: { color: colors.text, fontFamily: "inherit" }, ...options },
        { replaceMerge: ["series"], lazyUpdate: true },
      );
    },
  },
};
