Console.WriteLine("elastictrain");
