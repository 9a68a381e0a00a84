// The few pictures that the dashboard uses, drawn in the colour of the text around them.

import type { JSX } from "preact";

const icon = (path: JSX.Element) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    {path}
  </svg>
);

export const Lock = () =>
  icon(
    <>
      <rect x="3.2" y="7" width="9.6" height="6.6" rx="1.6" fill="currentColor" />
      <path
        d="M5.2 7V5.2a2.8 2.8 0 0 1 5.6 0V7"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
      />
    </>,
  );

export const Unlocked = () =>
  icon(
    <>
      <rect
        x="3.2"
        y="7"
        width="9.6"
        height="6.6"
        rx="1.6"
        fill="none"
        stroke="currentColor"
        stroke-width="1.4"
      />
      <path
        d="M5.2 7V5.2a2.8 2.8 0 0 1 5.4-1"
        fill="none"
        stroke="currentColor"
        stroke-width="1.4"
      />
    </>,
  );

export const Back = () =>
  icon(<path d="M9.8 3.5 5.3 8l4.5 4.5" fill="none" stroke="currentColor" stroke-width="1.7" />);

export const Sun = () =>
  icon(
    <>
      <circle cx="8" cy="8" r="3" fill="currentColor" />
      <path
        d="M8 1.5v1.8M8 12.7v1.8M1.5 8h1.8M12.7 8h1.8M3.4 3.4l1.3 1.3M11.3 11.3l1.3 1.3M12.6 3.4l-1.3 1.3M4.7 11.3l-1.3 1.3"
        stroke="currentColor"
        stroke-width="1.4"
        stroke-linecap="round"
      />
    </>,
  );

export const Moon = () =>
  icon(<path d="M13 9.8A5.6 5.6 0 0 1 6.2 3a5.6 5.6 0 1 0 6.8 6.8Z" fill="currentColor" />);

export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" class="mark-ground" />
    <path d="M9.5 10l13 6-13 6" fill="none" stroke="#fff" stroke-width="2.2" />
    <g fill="#fff">
      <circle cx="9.5" cy="10" r="3" />
      <circle cx="22.5" cy="16" r="3" />
      <circle cx="9.5" cy="22" r="3" />
    </g>
  </svg>
);
