import { describe, expect, it } from 'vitest';
import { toAnsi256, toHex } from '../src/color-scale.js';
import { scaleColor } from '../src/index.js';

const linear = (value: number): number => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);

describe('scaleColor', () => {
  it('gets lighter all the way, so that it survives grey printing', () => {
    const luminances = Array.from({ length: 33 }, (_, step) => {
      const [red, green, blue] = scaleColor(step / 32);
      return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    });
    for (let step = 1; step < luminances.length; step++) expect(luminances[step]).toBeGreaterThan(luminances[step - 1] as number);
  });

  it('maps to the terminal cube and to hex', () => {
    expect(toAnsi256([0, 0, 0])).toBe(16);
    expect(toAnsi256([255, 255, 255])).toBe(231);
    expect(toAnsi256([95, 135, 175])).toBe(16 + 36 + 12 + 3);
    expect(toHex([1, 32, 255])).toBe('#0120ff');
  });
});
