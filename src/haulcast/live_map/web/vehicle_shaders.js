// Shaders of the vehicle layer: a vehicle glides from one fix to the next on the graphics card, so that a frame costs the page
// one draw call, however many there are. Positions are unsigned integers (mercator.js), subtracted before they become floats.

const GLIDE = `
layout(location = 0) in uvec4 a_way;   // from x, y to x, y
layout(location = 1) in uvec2 a_clock; // when the glide began, how long it lasts, in milliseconds
uniform uvec2 u_centre;
uniform uint u_nowMs;
uniform float u_pixelsPerUnit;
uniform vec2 u_halfPixels;
vec2 pixelsNow() {
  float share = a_clock.y == 0u ? 1.0 : clamp(float(u_nowMs - a_clock.x) / float(a_clock.y), 0.0, 1.0);
  vec2 from = vec2(float(int(a_way.x - u_centre.x)), float(int(a_way.y - u_centre.y)));
  vec2 way = vec2(float(int(a_way.z - a_way.x)), float(int(a_way.w - a_way.y)));
  return (from + share * way) * u_pixelsPerUnit;
}
vec4 clipOf(vec2 pixels) { return vec4(pixels.x / u_halfPixels.x, -pixels.y / u_halfPixels.y, 0.0, 1.0); }
`;

export const MARKER_VERTEX = `#version 300 es
precision highp float;
precision highp int;
${GLIDE}
layout(location = 2) in float a_headingDeg;
layout(location = 3) in uint a_look;
uniform float u_radius;
out vec2 v_at; // pixels from the place, y to the front
flat out uint v_look;
void main() {
  vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1)) * 2.0 - 1.0;
  uint state = a_look & 15u;
  bool isArrow = state == 0u && !isnan(a_headingDeg), isKite = state == 4u;
  float turn = (isArrow || isKite) && !isnan(a_headingDeg) ? radians(a_headingDeg) : 0.0;
  vec2 front = vec2(sin(turn), -cos(turn)), side = vec2(-front.y, front.x);
  // no larger than what is drawn: every pixel costs
  v_at = corner * (u_radius * 0.9 + 2.5);
  if (isArrow) v_at = vec2(corner.x * (u_radius * 0.8 + 2.5), corner.y * (u_radius * 1.1 + 2.5) + u_radius * 0.5);
  if (isKite) v_at = vec2(corner.x * (u_radius * 0.85 + 2.5), corner.y * (u_radius * 1.35 + 2.5) + u_radius * 0.3);
  if ((a_look & 16u) != 0u) v_at = corner * (u_radius * 2.15 + 3.0);
  v_look = a_look | (isArrow ? 64u : 0u);
  bool isHidden = (a_look & 32u) != 0u;
  gl_Position = isHidden ? vec4(2.0, 2.0, 2.0, 1.0) : clipOf(pixelsNow() + side * v_at.x + front * v_at.y);
}`;

export const MARKER_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform float u_radius;
uniform vec3 u_colours[6];
uniform vec3 u_halo;
in vec2 v_at;
flat in uint v_look;
out vec4 colour;
float shape(uint state) {
  if (state == 2u) { // stopped: a square
    vec2 away = abs(v_at) - vec2(u_radius * 0.72);
    return length(max(away, 0.0)) + min(max(away.x, away.y), 0.0) - u_radius * 0.15;
  }
  if ((v_look & 64u) != 0u) { // moving: an arrow head with a notch
    vec2 at = vec2(abs(v_at.x), v_at.y);
    float side = dot(at - vec2(0.0, u_radius * 1.6), normalize(vec2(2.6, 0.95)));
    float back = dot(at - vec2(0.0, -u_radius * 0.55), normalize(vec2(-0.45, -1.0)));
    return max(side, back);
  }
  if (state == 4u) { // off route: a kite
    vec2 at = vec2(abs(v_at.x), v_at.y);
    float front = dot(at - vec2(0.0, u_radius * 1.65), normalize(vec2(1.65, 0.85)));
    float back = dot(at - vec2(0.0, -u_radius * 1.05), normalize(vec2(1.05, -0.85)));
    return max(front, back);
  }
  return length(v_at) - u_radius * 0.82;
}
void main() {
  uint state = v_look & 15u;
  float edge = shape(state);
  float inside = clamp(0.5 - edge, 0.0, 1.0);
  if (state == 3u) inside *= clamp(edge + u_radius * 0.42 + 0.5, 0.0, 1.0); // silent: a ring
  float halo = clamp(2.0 - edge, 0.0, 1.0) * 0.9;
  vec3 paint = u_colours[state];
  float alpha = max(inside, halo);
  vec3 mixed = mix(u_halo, paint, inside);
  if ((v_look & 16u) != 0u) { // selected: a circle around it
    float circle = clamp(1.6 - abs(length(v_at) - u_radius * 2.15), 0.0, 1.0);
    mixed = mix(mixed, u_colours[5], circle);
    alpha = max(alpha, circle);
  }
  if (alpha < 0.01) discard;
  colour = vec4(mixed * alpha, alpha);
}`;

export const LABEL_VERTEX = `#version 300 es
precision highp float;
precision highp int;
${GLIDE}
layout(location = 2) in vec4 a_box; // left, top, width, height in the atlas, in pixels of the atlas
uniform float u_gap;
uniform float u_ratio;
uniform float u_atlasPixels;
out vec2 v_at;
void main() {
  vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  vec2 pixels = floor(pixelsNow() * u_ratio + 0.5) / u_ratio;
  vec2 offset = vec2(u_gap, -a_box.w / u_ratio * 0.5) + corner * a_box.zw / u_ratio;
  v_at = (a_box.xy + corner * a_box.zw) / u_atlasPixels;
  gl_Position = clipOf(pixels + offset);
}`;

export const LABEL_FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D u_atlas;
in vec2 v_at;
out vec4 colour;
void main() {
  colour = texture(u_atlas, v_at);
}`;
