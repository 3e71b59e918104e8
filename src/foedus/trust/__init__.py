"""On what terms? Requests, agreements, tiers, and the one evaluator of the door verdict. No I/O."""
