"""Training environments on recorded markets; importing registers them with gymnasium. Needs ``truebook[research]``."""

import gymnasium

gymnasium.register(
    "truebook/Market-v0",
    entry_point="truebook.gym.environment:MarketEnv",
    vector_entry_point="truebook.gym.vector:MarketVectorEnv",
)
gymnasium.register("truebook/Portfolio-v0", entry_point="truebook.gym.environment:PortfolioEnv")
