// What stands in for a part of the page that could not be loaded or drawn. The rest of the page goes on.

import { Component, createElement, lazy, type ComponentType, type ReactNode } from "react";
import { Button, Empty } from "./parts";

/** How to begin anew with the parts whose loading failed. */
const failed = new Set<() => void>();

/** A part of the page that is loaded when it is first shown. One that could not be loaded can be asked for again. */
export function part<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  const loading = () => lazy(() => load().catch((error: unknown) => {
    failed.add(() => { current = loading(); });
    throw error;
  }));
  let current = loading();
  return function Part(props: P) {
    return createElement(current as ComponentType<P>, props);
  };
}

interface Props {
  /** Another one is another place: what failed there is none of its business. */
  place: string;
  /** Whether the server is there. When it comes back, what failed is tried again. */
  reachable: boolean;
  children: ReactNode;
}

export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidMount(): void {
    addEventListener("online", this.again);
  }

  override componentWillUnmount(): void {
    removeEventListener("online", this.again);
  }

  override componentDidUpdate(before: Props): void {
    if (this.props.place !== before.place || (this.props.reachable && !before.reachable)) this.again();
  }

  private again = (): void => {
    if (!this.state.failed) return;
    for (const renew of failed) renew();
    failed.clear();
    this.setState({ failed: false });
  };

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="page">
        <div role="alert">
          <Empty
            icon="alert" title="This part of the page could not be shown"
            tools={<><Button tone="strong" onClick={this.again}>Try again</Button><Button onClick={() => location.reload()}>Load the page anew</Button></>}
          >
            If the server is away, it comes by itself when the server is back. If the server was upgraded meanwhile, load the page anew: nothing is lost.
          </Empty>
        </div>
      </div>
    );
  }
}
