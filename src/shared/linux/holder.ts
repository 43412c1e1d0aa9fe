/**
 * What keeps a network namespace in existence, and by which path it is opened: see namespaces(7). A namespace lives
 * as long as a process or thread is in it, a bind mount points to it, or a descriptor of it is open.
 */
export type NamespaceHolder =
  | { readonly kind: 'process'; readonly pid: number }
  /** `path` as seen from the root of process `pid`. */
  | { readonly kind: 'mount'; readonly pid: number; readonly path: string }
  | { readonly kind: 'thread'; readonly pid: number; readonly tid: number }
  | { readonly kind: 'descriptor'; readonly pid: number; readonly fd: number };

/** The path to open the namespace by. */
export function holderPath(procRoot: string, holder: NamespaceHolder): string {
  switch (holder.kind) {
    case 'process':
      return `${procRoot}/${holder.pid}/ns/net`;
    case 'mount':
      return `${procRoot}/${holder.pid}/root${holder.path}`;
    case 'thread':
      return `${procRoot}/${holder.pid}/task/${holder.tid}/ns/net`;
    case 'descriptor':
      return `${procRoot}/${holder.pid}/fd/${holder.fd}`;
    default:
      return holder satisfies never;
  }
}

/** For people. */
export function describeHolder(holder: NamespaceHolder): string {
  switch (holder.kind) {
    case 'process':
      return `process ${holder.pid}`;
    case 'mount':
      return `bind mount ${holder.path} (mount namespace of process ${holder.pid})`;
    case 'thread':
      return `thread ${holder.tid} of process ${holder.pid}`;
    case 'descriptor':
      return `descriptor ${holder.fd} of process ${holder.pid}`;
    default:
      return holder satisfies never;
  }
}
