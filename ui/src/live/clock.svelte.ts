// The time, for words such as "5 min ago": it moves every ten seconds.

class Clock {
  now = $state(Date.now())
  constructor() {
    setInterval(() => (this.now = Date.now()), 10_000)
  }
}

export const clock = new Clock()
