// How large the parts of an HTTP/1 message may be. What is larger is refused before it is gathered.

export type Http1Limits = {
  /** Request line or status line, in bytes. A longer request line is answered with 414. */
  readonly lineBytes: number;
  /** The whole head, or all trailers, in bytes. More is answered with 431. */
  readonly headBytes: number;
  /** Field lines of a head or of trailers. More is answered with 431. */
  readonly fields: number;
};

export const HTTP1_LIMITS: Http1Limits = { lineBytes: 8192, headBytes: 65536, fields: 256 };
