/** Scratch to look at the bits of one float32; functions here run to completion, so that sharing it is safe. */
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Exact value of an IEEE 754 binary16. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The binary16 nearest to a float32, ties to even; from 65520 on infinity; NaN stays NaN. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14 the result is subnormal, an integer multiple of 2^-24; the product is exact in double precision.
    const scaled = Math.abs(float[0]!) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor & 1) ? 1 : 0));
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** Exact value of a bfloat16: the upper half of a float32. */
export function bfloatToFloat(bfloat: number): number {
  bits[0] = (bfloat << 16) >>> 0;
  return float[0]!;
}

/** The bfloat16 nearest to a float32, ties to even; NaN stays NaN. */
export function floatToBfloat(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}
