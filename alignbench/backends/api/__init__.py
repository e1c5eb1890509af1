"""What API judges share: connections, prices, budgets and batch jobs. Imported by adapters only."""
