/** `42.3 %` */
export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** Three digits that matter. */
export const figure = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);

/** Shares as percentages, other numbers as they are. */
export const isShare = (metric: string): boolean => metric !== 'perplexity';

export const metricText = (metric: string, value: number): string => (isShare(metric) ? (100 * value).toFixed(1) : figure(value));

/** A cell of a Markdown table holds no bar and no line break. */
export const cell = (text: string): string => text.replace(/[|\r\n]/g, ' ');

export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (character) => names[character] as string).replace(/\p{Cc}/gu, ' ');
}
