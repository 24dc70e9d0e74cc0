// The page: its frame, and the view that the address names. Everything it shows is in the store.
import { defineAsyncComponent } from "vue";
import Shell from "truebook/shell.js";
import { apply, connect, outcome, store } from "truebook/store.js";

export default {
  props: { view: String, name: String },
  components: { Shell },
  data() {
    return { current: defineAsyncComponent(() => import(`truebook/views/${this.view}.js`)) };
  },
  template: `<shell :view="view" :name="name"><component :is="current" :name="name" /></shell>`,
  mounted() {
    connect((event, value) => this.$emit(event, value));
    this.watchConnection();
  },
  methods: {
    apply(patch) {
      apply(patch);
      this.$nextTick(() => this.$emit("shown"));
    },
    outcome(result) {
      outcome(result);
    },
    sign_out() {
      location.replace("/sign-in");
    },
    // While this page's server is away, the store states since when; a session that has ended leads to the sign-in page.
    watchConnection() {
      if (!window.socket) {
        setTimeout(() => this.watchConnection(), 20);
        return;
      }
      let checking = null;
      window.socket.on("disconnect", () => {
        store.lost_server_ms ??= performance.now();
        checking ??= setInterval(async () => {
          try {
            const response = await fetch("/session");
            if (response.status === 401) this.sign_out();
          } catch {
            // still away
          }
        }, 2000);
      });
      window.socket.on("connect", () => {
        store.lost_server_ms = null;
        clearInterval(checking);
        checking = null;
      });
    },
  },
};
