/** `24.8 %` */
export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** `93.8 MiB` */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `0.42 s`, `12.3 s`, `3 min 20 s` */
export function seconds(elapsedMs: number): string {
  const value = elapsedMs / 1000;
  if (value < 10) return `${value.toFixed(2)} s`;
  return value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** `812 tokens/s`, `7.3 tokens/s` */
export const rate = (perSecond: number): string => `${perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1)} tokens/s`;

/** `1,234,567` */
export const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
