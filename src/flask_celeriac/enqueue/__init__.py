"""How a task gets on its way: sent, after commit, or by schedule."""
