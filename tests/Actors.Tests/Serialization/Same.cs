using System.Collections;
using System.Reflection;

namespace ElasticTrain.Actors.Tests.Serialization;

/// <summary>Compares two object trees to the last bit, so that a member that a serialiser forgets shows.</summary>
internal static class Same
{
    internal static void Require(object? expected, object? found, string path = "message")
    {
        if (expected is null || found is null)
        {
            Assert.True(expected is null && found is null, $"{path}: expected {expected ?? "null"}, found {found ?? "null"}");
            return;
        }
        switch (expected)
        {
            case float value:
                Assert.True(BitConverter.SingleToUInt32Bits(value) == BitConverter.SingleToUInt32Bits((float)found), $"{path}: expected {value:R}, found {found:R}");
                break;
            case double value:
                Assert.True(BitConverter.DoubleToUInt64Bits(value) == BitConverter.DoubleToUInt64Bits((double)found), $"{path}: expected {value:R}, found {found:R}");
                break;
            case string or Enum or Akka.Actor.IActorRef or Guid:
            case not null when expected.GetType().IsPrimitive || expected is UInt128 or Core.Digest256:
                Assert.True(expected!.Equals(found), $"{path}: expected {expected}, found {found}");
                break;
            case IDictionary map:
                Assert.Equal(map.Count, ((IDictionary)found).Count);
                foreach (DictionaryEntry entry in map) Require(entry.Value, ((IDictionary)found)[entry.Key], $"{path}[{entry.Key}]");
                break;
            case IEnumerable list:
                var (left, right) = (list.Cast<object?>().ToList(), ((IEnumerable)found).Cast<object?>().ToList());
                Assert.True(left.Count == right.Count, $"{path}: expected {left.Count} elements, found {right.Count}");
                for (int i = 0; i < left.Count; i++) Require(left[i], right[i], $"{path}[{i}]");
                break;
            default:
                Assert.Equal(expected!.GetType(), found.GetType());
                foreach (var property in expected.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
                    if (property.GetIndexParameters().Length == 0 && property.Name != nameof(Core.Step.Next) && property.Name != nameof(Core.Step.Previous))
                        Require(property.GetValue(expected), property.GetValue(found), $"{path}.{property.Name}");
                break;
        }
    }
}
