"""Who thinks: chat models, the genetic researcher, and the three roles."""
