/** The parameters of a capture by their names in the query, see docs/api.md; those without a value are empty. */
export type CaptureParameters = Readonly<Record<string, string>>;
