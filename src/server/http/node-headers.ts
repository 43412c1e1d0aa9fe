/** Headers of `GET /version` for the gateway of a cluster: name of the node, and its time in ms since 1970. */
export const NODE_HEADER = 'packetflix-node';
export const TIME_HEADER = 'packetflix-time';
