import { GateskipError } from '@gateskip/errors';

/** The peer to race against is not installed. */
export class PeerMissingError extends GateskipError {
  constructor(peer: string, places: readonly string[]) {
    super(
      'GS_PEER_MISSING',
      `Peer "${peer}" is not installed: it is in none of ${places.length} places, from ${places[0]} up.`,
      `Install it with \`node tools/peers/install.mjs ${peer}\` in the repository, or \`npm install ${peer}\` where you are; GATESKIP_PEERS names another folder.`,
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
