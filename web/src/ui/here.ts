// Whether a part of the page is still there when something that took a while has come: nobody is taken away from what they went
// on to.

import { useEffect, useRef, type RefObject } from "react";

export function useHere(): RefObject<boolean> {
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  return here;
}
