import { GateskipError } from '@gateskip/errors';

/** The peer to race against is not installed. */
export class PeerMissingError extends GateskipError {
  /** @param otherWay how to install it without the repository, as a command */
  constructor(peer: string, where: string, otherWay: string, places: readonly string[]) {
    super(
      'GS_PEER_MISSING',
      `Peer "${peer}" is not installed: ${where}.`,
      `Install it with \`node tools/peers/install.mjs ${peer}\` in the repository, or \`${otherWay}\`; GATESKIP_PEERS names another folder${peer.endsWith('python') ? ', GATESKIP_PYTHON or --python a Python' : ''}.`,
      { what: peer, places },
    );
  }
}

/** The peer reads a format of its own, and this model was not brought into it. */
export class PeerModelMissingError extends GateskipError {
  constructor(peer: string, modelPath: string, places: readonly string[]) {
    super(
      'GS_PEER_MODEL_MISSING',
      `Peer "${peer}" reads ONNX graphs, and there is none of this model in ${places.length} places, from ${places[0]} up.`,
      `Write it with \`node tools/peers/onnx/export.mjs ${modelPath}\` in the repository.`,
      { what: peer, places },
    );
  }
}

/** The peer's process failed, crashed or fell silent. */
export class PeerFailedError extends GateskipError {
  constructor(peer: string, what: string) {
    super('GS_PEER_FAILED', `Peer "${peer}" failed: ${what}.`, 'Run without --against, or install the peer again.', { what: peer });
  }
}
