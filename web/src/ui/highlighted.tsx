// Colours for programs: loaded when the first one is shown. The library gives a tree of pieces, never HTML.

import type { ReactNode } from "react";
import { createLowlight } from "lowlight";
import { Marked } from "./marked";
import bash from "highlight.js/lib/languages/bash";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const lowlight = createLowlight({ bash, css, diff, go, ini, javascript, json, markdown, python, rust, sql, typescript, xml, yaml });

/** Its many names for kinds of words, in our six. */
const KINDS: Record<string, string> = {
  keyword: "k", built_in: "f", literal: "n", number: "n", string: "s", regexp: "s", comment: "c", doctag: "c", meta: "c", title: "f",
  function_: "f", class_: "t", type: "t", attr: "f", attribute: "f", name: "k", tag: "k", selector: "k", variable: "t", params: "",
  addition: "s", deletion: "k", section: "f", bullet: "k", symbol: "n", property: "f", "selector-tag": "k", "selector-class": "t",
};

type Node = ReturnType<typeof lowlight.highlight>["children"][number];

function shown(node: Node, key: number): ReactNode {
  if (node.type === "text") return <Marked key={key} text={node.value} />;
  if (node.type !== "element") return null;
  const names = Array.isArray(node.properties.className) ? node.properties.className : [];
  const kind = names.map((name) => KINDS[String(name).replace("hljs-", "")]).find(Boolean);
  return <span key={key} className={kind}>{node.children.map((child, index) => shown(child as Node, index))}</span>;
}

export default function Highlighted({ text, language }: { text: string; language: string }) {
  if (!lowlight.registered(language)) return <Marked text={text} />;
  return <>{lowlight.highlight(language, text).children.map((node, index) => shown(node, index))}</>;
}
