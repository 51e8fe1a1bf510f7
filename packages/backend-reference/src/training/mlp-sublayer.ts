import type { Sublayer } from './sublayer.js';
import type { TrainingLayer } from './training-model.js';

/** down(silu(gate x) * up x), with the arithmetic of `gatedMlp`. */
export function mlpSublayer(layer: TrainingLayer): Sublayer {
  const { mlpGate, mlpUp, mlpDown } = layer;
  return {
    norm: layer.mlpNorm,

    prepare: async () => {},

    run(_row, normed) {
      const gate = mlpGate.forward(normed, new Float64Array(mlpGate.rows));
      const up = mlpUp.forward(normed, new Float64Array(mlpUp.rows));
      const output = mlpDown.forward(activate(gate, up), new Float64Array(mlpDown.rows));
      return { output, memory: [gate, up] };
    },

    runBackward(_row, normed, memory, dOutput, dNormed) {
      const [gate, up] = memory as [Float64Array, Float64Array];
      const dActive = new Float64Array(gate.length);
      mlpDown.backward(activate(gate, up), dOutput, dActive);
      const dGate = new Float64Array(gate.length);
      for (let i = 0; i < gate.length; i++) {
        const g = gate[i]!;
        const share = 1 / (1 + Math.exp(-g));
        dGate[i] = dActive[i]! * up[i]! * share * (1 + g * (1 - share));
        dActive[i]! *= g * share;
      }
      mlpGate.backward(normed, dGate, dNormed);
      mlpUp.backward(normed, dActive, dNormed);
    },

    prepareBackward: async () => {},
  };
}

function activate(gate: Float64Array, up: Float64Array): Float64Array {
  return up.map((value, i) => value * (gate[i]! / (1 + Math.exp(-gate[i]!))));
}
