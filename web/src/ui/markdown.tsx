// Markdown as elements. HTML in it is text; pictures are named and not fetched; links open elsewhere and only to the web.

import Parser from "markdown-to-jsx";
import type { ReactNode } from "react";

function Link({ href, children }: { href?: string; children?: ReactNode }) {
  const safe = typeof href === "string" && /^(https?:|mailto:)/i.test(href);
  if (!safe) return <span>{children}</span>;
  return <a href={href} target="_blank" rel="noopener noreferrer nofollow">{children}</a>;
}

function Picture({ alt }: { alt?: string }) {
  return <span className="left-out">[picture{alt ? `: ${alt}` : ""}]</span>;
}

const Nothing = () => null;

export default function MarkdownBody({ text }: { text: string }) {
  return (
    <Parser
      options={{
        disableParsingRawHTML: true,
        forceBlock: true,
        // Headings get names to link to: none of them is one of the page's own.
        slugify: (text, usual) => `text-${usual(text)}`,
        overrides: {
          a: Link, img: Picture, iframe: Nothing, script: Nothing, style: Nothing, object: Nothing, embed: Nothing, form: Nothing,
        },
      }}
    >
      {text}
    </Parser>
  );
}
