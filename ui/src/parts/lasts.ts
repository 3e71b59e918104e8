/** How long a grant lasts: seconds, and words. It always ends. */
export const LASTS: readonly [number, string][] = [
  [3_600, 'an hour'],
  [86_400, 'a day'],
  [7 * 86_400, 'a week'],
  [30 * 86_400, '30 days'],
  [90 * 86_400, '90 days'],
]
