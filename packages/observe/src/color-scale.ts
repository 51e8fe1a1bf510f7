/** Red, green, blue, 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/**
 * Dark blue (0) over teal to light yellow (1): lightness rises evenly in OKLab (B. Ottosson, 2020) and the hue runs along
 * the blue-yellow axis, so that the order survives red-green blindness and grey printing.
 */
export function scaleColor(share: number): Rgb {
  const t = Math.min(1, Math.max(0, share));
  const lightness = 0.32 + 0.6 * t;
  const chroma = 0.095 + 0.045 * t;
  const hue = ((275 - 170 * t) * Math.PI) / 180;
  return oklabToRgb(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
}

/** Position of a score within a range, 0..1; a range of no width puts everything in the middle. */
export function rangeShare(score: number, low: number, high: number): number {
  return high > low ? Math.min(1, Math.max(0, (score - low) / (high - low))) : 0.5;
}

/** The 6 x 6 x 6 cube of the 256-colour terminals, entries 16..231. */
export function toAnsi256([red, green, blue]: Rgb): number {
  const step = (value: number): number => (value < 48 ? 0 : value < 115 ? 1 : Math.min(5, Math.floor((value - 35) / 40)));
  return 16 + 36 * step(red) + 6 * step(green) + step(blue);
}

export function toHex(color: Rgb): string {
  return `#${color.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

function oklabToRgb(lightness: number, a: number, b: number): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function toByte(linear: number): number {
  const clipped = Math.min(1, Math.max(0, linear));
  const encoded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255);
}
